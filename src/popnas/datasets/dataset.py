"""What `datasets.load` returns: raw arrays, cut into splits and folds, and everything that describes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from popnas.datasets.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class Split:
    """Raw examples: images x (n, h, w, c) uint8 or series x (n, t, c) float32 (zeros after the end), y (n,)
    int64.

    `lengths` (n,) int64 are the series' true lengths in timesteps, None if all are equal.
    """

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices: np.ndarray | slice) -> Split:
        """The examples at `indices`; a slice gives views instead of copies."""
        lengths = None if self.lengths is None else self.lengths[indices]
        return Split(self.x[indices], self.y[indices], lengths)


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of `pool` into training and validation; kept as indices, the splits are made when asked
    for.
    """

    pool: Split
    train_indices: np.ndarray | slice
    validation_indices: np.ndarray | slice

    @property
    def train(self) -> Split:
        """The training part (a view for the first fold, a copy for others)."""
        return self.pool.take(self.train_indices)

    @property
    def validation(self) -> Split:
        """The validation part, likewise."""
        return self.pool.take(self.validation_indices)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set ready for a search.

    `full_train` holds training and validation together, the first fold's training part first. `test` is None
    unless it was asked for. `preprocessing` is fitted on the first fold's training part and used everywhere,
    so that every network of a run sees the same input.
    """

    place: str
    full_train: Split
    folds: Sequence[Fold]
    test: Split | None
    class_names: list[str]
    class_weights: np.ndarray | None
    preprocessing: Preprocessing
    warnings: list[str] = field(default_factory=list)

    @property
    def train(self) -> Split:
        """The first fold's training part."""
        return self.folds[0].train

    @property
    def validation(self) -> Split:
        """The first fold's validation part."""
        return self.folds[0].validation

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(h, w, c) of images, (t, c) of series."""
        return self.full_train.x.shape[1:]

    @property
    def num_classes(self) -> int:
        """How many classes a network must tell apart."""
        return len(self.class_names)

    @property
    def has_lengths(self) -> bool:
        """Whether series end at different times, so that networks take a second input `lengths`."""
        return self.preprocessing.has_lengths

    def describe(self) -> dict[str, Any]:
        """A summary as plain JSON values: shapes, sizes, classes with their numbers of examples, warnings."""
        counts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            "place": self.place,
            "input_shape": list(self.input_shape),
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "sizes": {name: len(split) for name, split in counts.items() if split is not None},
            "class_counts": {
                name: np.bincount(split.y, minlength=self.num_classes).tolist()
                for name, split in counts.items()
                if split is not None
            },
            "folds": len(self.folds),
            "has_lengths": self.has_lengths,
            "class_weights": None if self.class_weights is None else self.class_weights.tolist(),
            "preprocessing": self.preprocessing.to_json(),
            "warnings": list(self.warnings),
        }
