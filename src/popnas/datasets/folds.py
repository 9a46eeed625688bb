"""Training and validation: a separate validation split, or k stratified divisions of the training data."""

from __future__ import annotations

import numpy as np

from popnas.datasets.dataset import Fold, Split
from popnas.datasets.ragged import joined
from popnas.datasets.splits import divide, generator


def with_held_out(train: Split, validation: Split) -> tuple[Split, list[Fold]]:
    """The pool of both, and the one fold that keeps them apart."""
    described = [
        None if first is None or second is None else np.concatenate([first, second])
        for first, second in (
            (train.lengths, validation.lengths),
            (train.pixel_counts, validation.pixel_counts),
            (train.names, validation.names),
            (train.original_sizes, validation.original_sizes),
        )
    ]
    pool = Split(joined(train.x, validation.x), joined(train.y, validation.y), *described)
    return pool, [_first(pool, len(train))]


def divided(
    examples: Split,
    validation_size: float,
    num_folds: int,
    class_names: list[str],
    seed: int,
    notes: list[str],
    strata: np.ndarray | None = None,
) -> tuple[Split, list[Fold]]:
    """`num_folds` seeded divisions of `examples`, and the pool of all in the first one's order.

    `strata` (n,) is what the draws are stratified by, with `class_names` as its names, where that is not y.
    The first fold's parts are then views of the pool: no second copy of the data.
    """
    y = examples.y if strata is None else strata
    _warn_of_single_examples(y, class_names, notes)
    divisions = [
        divide(y, validation_size, generator(seed, "fold", k), class_names) for k in range(num_folds)
    ]
    order = np.concatenate([divisions[0].train, divisions[0].validation])
    position = np.argsort(order)
    pool = examples.take(order)
    others = [Fold(pool, np.sort(position[d.train]), np.sort(position[d.validation])) for d in divisions[1:]]
    return pool, [_first(pool, len(divisions[0].train)), *others]


def _first(pool: Split, num_train: int) -> Fold:
    return Fold(pool, slice(0, num_train), slice(num_train, len(pool)))


def _warn_of_single_examples(y: np.ndarray, class_names: list[str], notes: list[str]) -> None:
    single = [class_names[c] for c in np.flatnonzero(np.bincount(y, minlength=len(class_names)) == 1)]
    if single:
        shown = ", ".join(f"'{name}'" for name in single[:8]) + (", ..." if len(single) > 8 else "")
        have = "classes have" if len(single) > 1 else "class has"
        notes.append(
            f"{len(single)} {have} a single training example, which stays in training, so validation says "
            f"nothing about {shown}"
        )
