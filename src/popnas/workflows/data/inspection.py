"""`popnas dataset inspect`: what data hold, what of it will hurt a search, and a page that shows examples."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from popnas.datasets import Dataset, Split
from popnas.datasets.ragged import sizes_of
from popnas.report.pages import data_page
from popnas.report.pages.data_page import ShownExamples
from popnas.report.views import Views
from popnas.storage import plain, write_text
from popnas.workflows.data.harms import notes_of, warnings_of
from popnas.workflows.data.look import Look

_NUM_MASKS = 10
_NUM_PER_CLASS = 8


def inspect(look: Look) -> dict[str, Any]:
    """What the data hold, as plain JSON values: splits, classes, sizes, duplicates, and `warnings`;
    `notes` hurt nothing."""
    dataset = look.dataset
    splits = _splits(dataset)
    digests = {name: _digests(split) for name, split in splits.items()}
    facts = {
        "place": dataset.place,
        "type": look.section["type"],
        "input_shape": list(dataset.input_shape),
        "num_classes": dataset.num_classes,
        "class_names": dataset.class_names,
        "splits": {name: _facts(split, dataset.num_classes, digests[name]) for name, split in splits.items()},
        "shared": {
            f"{first}/{second}": len(set(digests[first]) & set(digests[second]))
            for first, second in combinations(splits, 2)
        },
        "unusable_splits": ["test"] if look.lacks_test else [],
        "num_contradictory": _num_contradictory(splits, digests),
    }
    found: dict[str, Any] = plain(facts)
    found["warnings"] = warnings_of(found, look)
    found["notes"] = notes_of(look)
    return found


def write_page(look: Look, facts: dict[str, Any], path: Path, views: Views) -> None:
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


def _facts(split: Split, num_classes: int, digests: Sequence[bytes]) -> dict[str, Any]:
    counts_K = split.class_counts(num_classes)
    facts: dict[str, Any] = {
        "num_examples": len(split),
        "class_counts": counts_K,
        "class_shares": counts_K / max(counts_K.sum(), 1),
        "num_with_class": counts_K,
        "num_repeated": len(digests) - len(set(digests)),
        "unlabelled_share": None,
    }
    if split.pixel_counts is not None:
        facts["num_with_class"] = (split.pixel_counts[:, :num_classes] > 0).sum(axis=0)
        facts["unlabelled_share"] = split.pixel_counts[:, -1].sum() / max(split.pixel_counts.sum(), 1)
    if split.x.ndim == 4:
        facts["sizes"] = _extents(sizes_of(split.x))
    else:
        lengths = np.full(len(split), split.x.shape[1]) if split.lengths is None else split.lengths
        facts["sizes"] = _extents(lengths[:, None])
    original = split.original_sizes
    facts["original_sizes"] = facts["sizes"] if original is None else _extents(original)
    return facts


def _extents(sizes: np.ndarray) -> dict[str, Any]:
    """Smallest, median and largest extent per axis (height, width; or timesteps), and how many sizes."""
    return {
        "smallest": sizes.min(axis=0),
        "median": np.median(sizes, axis=0).astype(int),
        "largest": sizes.max(axis=0),
        "num_distinct": len(np.unique(sizes, axis=0)),
    }


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
