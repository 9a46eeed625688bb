"""`popnas dataset inspect`: what data hold, what of it will hurt a search, and a page that shows examples."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from popnas.datasets import Dataset, Split
from popnas.datasets.ragged import sizes_of
from popnas.report.data_facts import Inspected, SizeRange, SplitFacts
from popnas.report.pages import data_page
from popnas.report.pages.data_page import ShownExamples
from popnas.report.views import Views
from popnas.storage import write_text
from popnas.workflows.data.harms import notes_of, warnings_of
from popnas.workflows.data.look import Look

_NUM_MASKS = 10
_NUM_PER_CLASS = 8


def inspect(look: Look) -> Inspected:
    """What the data hold, and what of it will hurt."""
    dataset = look.dataset
    splits = _splits(dataset)
    digests = {name: _digests(split) for name, split in splits.items()}
    facts = Inspected(
        place=dataset.place,
        type=look.kind,
        input_shape=dataset.input_shape,
        num_classes=dataset.num_classes,
        class_names=dataset.class_names,
        splits={name: _facts(split, dataset.num_classes, digests[name]) for name, split in splits.items()},
        shared={
            f"{first}/{second}": len(set(digests[first]) & set(digests[second]))
            for first, second in combinations(splits, 2)
        },
        unusable_splits=["test"] if look.lacks_test else [],
        num_contradictory=_num_contradictory(splits, digests),
    )
    return replace(facts, warnings=warnings_of(facts, look), notes=notes_of(look))


def write_page(look: Look, facts: Inspected, path: Path, views: Views) -> None:
    """Write the page with examples of the training split; what cannot be drawn is missing.

    Raises:
        StorageError: the disk refused.
    """
    write_text(path, data_page.html(facts, _examples(look), views))


def _splits(dataset: Dataset) -> dict[str, Split]:
    """Training, validation and, if there is one, test split."""
    found = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {name: split for name, split in found.items() if split is not None}


def _digests(split: Split) -> list[bytes]:
    """A digest of each example, without its class."""
    found = []
    for i in range(len(split)):
        x = np.ascontiguousarray(split.x[i])
        if split.lengths is not None:
            x = x[: split.lengths[i]]
        digest = hashlib.blake2b(repr(x.shape).encode(), digest_size=16)
        digest.update(x.tobytes())
        found.append(digest.digest())
    return found


def _num_contradictory(splits: Mapping[str, Split], digests: Mapping[str, Sequence[bytes]]) -> int:
    """Examples that equal another one in every value and bear another class (masks are not compared)."""
    classes: dict[bytes, Counter[int]] = defaultdict(Counter)
    for name, split in splits.items():
        if split.pixel_counts is None:
            for digest, label in zip(digests[name], np.asarray(split.y).tolist(), strict=True):
                classes[digest][label] += 1
    return sum(labels.total() for labels in classes.values() if len(labels) > 1)


def _facts(split: Split, num_classes: int, digests: Sequence[bytes]) -> SplitFacts:
    counts_K = with_class_K = split.class_counts(num_classes)
    unlabelled_share = None
    if split.pixel_counts is not None:
        with_class_K = (split.pixel_counts[:, :num_classes] > 0).sum(axis=0)
        unlabelled_share = float(split.pixel_counts[:, -1].sum() / max(split.pixel_counts.sum(), 1))
    if split.x.ndim == 4:
        sizes = _range(sizes_of(split.x))
    else:
        lengths = np.full(len(split), split.x.shape[1]) if split.lengths is None else split.lengths
        sizes = _range(lengths[:, None])
    return SplitFacts(
        num_examples=len(split),
        class_counts=counts_K.tolist(),
        class_shares=(counts_K / max(counts_K.sum(), 1)).tolist(),
        num_with_class=with_class_K.tolist(),
        num_repeated=len(digests) - len(set(digests)),
        unlabelled_share=unlabelled_share,
        sizes=sizes,
        original_sizes=sizes if split.original_sizes is None else _range(split.original_sizes),
    )


def _range(sizes_ND: np.ndarray) -> SizeRange:
    return SizeRange(
        smallest=tuple(sizes_ND.min(axis=0).tolist()),
        median=tuple(np.median(sizes_ND, axis=0).astype(int).tolist()),
        largest=tuple(sizes_ND.max(axis=0).tolist()),
        num_distinct=len(np.unique(sizes_ND, axis=0)),
    )


def _examples(look: Look) -> ShownExamples:
    """Training examples that show every class."""
    split, names = look.dataset.train, look.dataset.class_names
    if split.pixel_counts is not None:
        chosen = _with_rare_classes(split.pixel_counts[:, : len(names)])
        where = [str(split.names[i]) if split.names is not None else f"image {i}" for i in chosen]
        return ShownExamples(
            "masks", where, [(np.asarray(split.x[i]), np.asarray(split.y[i])) for i in chosen]
        )
    kind = "images" if look.is_images else "series"
    groups = []
    for k in range(len(names)):
        members = np.flatnonzero(split.y == k)
        chosen = members[np.unique(np.linspace(0, len(members) - 1, _NUM_PER_CLASS).round().astype(int))]
        ends = None if split.lengths is None else split.lengths
        groups.append(tuple(np.asarray(split.x[i])[: None if ends is None else ends[i]] for i in chosen))
    return ShownExamples(kind, list(names), groups)


def _with_rare_classes(pixels_NK: np.ndarray) -> list[int]:
    """Images that show most of each class, rare classes first, and others spread over the split; sorted."""
    chosen: list[int] = []
    for k in np.argsort(pixels_NK.sum(axis=0), kind="stable"):
        if pixels_NK[:, k].any():
            chosen.append(int(pixels_NK[:, k].argmax()))
    chosen += np.linspace(0, len(pixels_NK) - 1, _NUM_MASKS).round().astype(int).tolist()
    return sorted(list(dict.fromkeys(chosen))[:_NUM_MASKS])
