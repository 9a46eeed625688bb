"""What does not vary in training examples, so that nothing can be learnt from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from popnas.datasets.dataset import Split

_NUM_NAMED = 8


def notes_of(train: Split) -> list[str]:
    """Notes on channels of one value and on examples that are all equal; looks no further than needed to know
    that there are none.
    """
    what = "series" if train.x.ndim == 3 else "images"
    notes = []
    if len(train) > 1 and _are_equal(train):
        notes.append(
            f"all {len(train):,} training {what} are equal in every value, so no class can be told from "
            "another"
        )
    found = _constant_channels(train)
    if found:
        channels = ", ".join(map(str, list(found)[:_NUM_NAMED])) + ", ..." * (len(found) > _NUM_NAMED)
        values = ", ".join(f"{value:g}" for value in list(found.values())[:_NUM_NAMED])
        which = (
            f"channel {channels} has the value" if len(found) == 1 else f"channels {channels} have the values"
        )
        where = "at every timestep" if what == "series" else "in every pixel"
        notes.append(
            f"{which} {values} {where} of all training {what}: nothing can be learnt from "
            f"{'it' if len(found) == 1 else 'them'}"
        )
    return notes


def _examples(train: Split) -> Iterator[np.ndarray]:
    for i in range(len(train)):
        x = np.asarray(train.x[i])
        yield x if train.lengths is None else x[: train.lengths[i]]


def _are_equal(train: Split) -> bool:
    examples = _examples(train)
    first = next(examples)
    return all(np.array_equal(first, x) for x in examples)


def _constant_channels(train: Split) -> dict[int, float]:
    """The channels, counted from 0, that have the same value everywhere, and which."""
    examples = _examples(train)
    first = next(examples)
    values_C = first.reshape(-1, first.shape[-1])[0]
    is_constant_C = (first == values_C).reshape(-1, len(values_C)).all(axis=0)
    for x in examples:
        if not is_constant_C.any():
            return {}
        is_constant_C &= (x == values_C).reshape(-1, len(values_C)).all(axis=0)
    return {int(c): float(values_C[c]) for c in np.flatnonzero(is_constant_C)}
