"""What `datasets.load` returns: raw arrays, cut into splits and folds, and everything that describes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.datasets.ragged import sizes_of
from popnas.records import Json


@dataclass(frozen=True, eq=False)
class Split:
    """Raw examples: images x (n, h, w, c) uint8 or series x (n, t, c) float32 (zeros after the end), y (n,)
    int64.

    `lengths` (n,) int64 are the series' true lengths in timesteps, None if all are equal.

    Segmentation: y (n, h, w) uint8 holds class indices and `masks.IGNORED`; where images differ in size or
    are read from disk one by one (`cache` false), x and y are `Ragged`. `pixel_counts` (n, classes + 1) are
    the pixels of each image per class, ignored ones last; `names` (n,) tell where each mask is from.

    `original_sizes` (n, 2) are height and width of images before they were brought to one size, where they
    were.
    """

    x: Any
    y: Any
    lengths: np.ndarray | None = None
    pixel_counts: np.ndarray | None = None
    names: np.ndarray | None = None
    original_sizes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices: np.ndarray | slice) -> Split:
        """The examples at `indices`; a slice gives views instead of copies."""
        lengths = None if self.lengths is None else self.lengths[indices]
        counts = None if self.pixel_counts is None else self.pixel_counts[indices]
        names = None if self.names is None else self.names[indices]
        sizes = None if self.original_sizes is None else self.original_sizes[indices]
        return Split(self.x[indices], self.y[indices], lengths, counts, names, sizes)

    def class_counts(self, num_classes: int) -> np.ndarray:
        """Examples (segmentation: pixels) of each class, (classes,)."""
        if self.pixel_counts is not None:
            return np.asarray(self.pixel_counts[:, :num_classes].sum(axis=0))
        return np.bincount(self.y, minlength=num_classes)


class PartSplit(Split):
    """Some of the examples of `whole`, at `positions` (n,). Arrays of examples and labels of its own are made
    only if somebody asks for them, by a slice as views: loaders pick from the whole."""

    def __init__(self, whole: Split, indices: np.ndarray | slice) -> None:
        if isinstance(whole, PartSplit):
            indices, whole = whole.positions[indices], whole.whole
        own = {"whole": whole, "positions": np.arange(len(whole))[indices], "_indices": indices}
        beside = ("lengths", "pixel_counts", "names", "original_sizes")
        told = {name: getattr(whole, name) for name in beside}
        own |= {name: None if array is None else array[indices] for name, array in told.items()}
        for name, value in own.items():
            object.__setattr__(self, name, value)  # as a frozen class does it

    whole: Split
    positions: np.ndarray
    _indices: np.ndarray | slice

    @cached_property
    def x(self) -> Any:  # type: ignore[override]  # read only, like the field of a frozen class
        """See `Split`."""
        return self.whole.x[self._indices]

    @cached_property
    def y(self) -> Any:  # type: ignore[override]
        """See `Split`."""
        return self.whole.y[self._indices]

    def __len__(self) -> int:
        return len(self.positions)


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
        """The training part."""
        return PartSplit(self.pool, self.train_indices)

    @property
    def validation(self) -> Split:
        """The validation part, likewise."""
        return PartSplit(self.pool, self.validation_indices)


@dataclass(frozen=True)
class FittedLengths:
    """How series that a network was not trained on were brought to the `num_timesteps` of the longest
    training series: `num_cut` were longer; `num_filled` were shorter, where the network takes no lengths and
    so sees zeros as values.
    """

    num_timesteps: int
    num_filled: int
    num_cut: int

    def told(self, num_series: int) -> list[str]:
        """A sentence for each thing that was done to some of so many series."""
        sentences = []
        if self.num_filled:
            sentences.append(
                f"{self.num_filled} of {num_series} series are shorter than the {self.num_timesteps} "
                "timesteps of the training series: they are filled up with zeros (after normalisation), "
                "which count as values, because the network was trained on series of one length."
            )
        if self.num_cut:
            sentences.append(
                f"{self.num_cut} of {num_series} series are longer than the {self.num_timesteps} timesteps "
                "of the longest training series: they are cut there."
            )
        return sentences


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set ready for a search.

    `full_train` holds training and validation together, the first fold's training part first. `test` is None
    unless it was asked for. `preprocessing` is fitted on the first fold's training part and used everywhere,
    so that every network of a run sees the same input; `origin` says what raw values were made from.
    `network_size` is the (height, width) that networks
    are trained at, where that is not simply the size of all images (segmentation: the crop). `test_lengths`
    says what was done to test series of other lengths than the training series. `warnings` are sentences on
    what networks learn from, the same whether the test split was loaded or not, `test_warnings` on that.
    """

    place: str
    full_train: Split
    folds: Sequence[Fold]
    test: Split | None
    class_names: list[str]
    class_weights: np.ndarray | None
    preprocessing: Preprocessing
    origin: Origin
    warnings: list[str] = field(default_factory=list)
    test_warnings: list[str] = field(default_factory=list)
    network_size: tuple[int, int] | None = None
    test_lengths: FittedLengths | None = None

    @property
    def told(self) -> list[str]:
        """All sentences that a command tells that loaded these data."""
        return [*self.warnings, *self.test_warnings]

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
        if self.network_size is not None:
            return (*self.network_size, len(self.preprocessing.scale))
        shape: tuple[int, ...] = self.full_train.x.shape[1:]
        return shape

    @property
    def whole_image_share(self) -> float:
        """What a whole image takes of a network's time, against an example as training sees it: more than 1
        where training sees crops.
        """
        if self.network_size is None:
            return 1.0
        return float(sizes_of(self.full_train.x).prod(axis=1).mean()) / math.prod(self.network_size)

    @property
    def num_classes(self) -> int:
        """How many classes a network must tell apart."""
        return len(self.class_names)

    @property
    def has_lengths(self) -> bool:
        """Whether series end at different times, so that networks take a second input `lengths`."""
        return self.preprocessing.has_lengths

    def describe(self) -> Json:
        """A summary as plain JSON values: shapes, sizes, classes with their numbers of examples
        (segmentation: pixels), warnings.
        """
        counts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            "place": self.place,
            "input_shape": list(self.input_shape),
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "sizes": {name: len(split) for name, split in counts.items() if split is not None},
            "class_counts": {
                name: split.class_counts(self.num_classes).tolist()
                for name, split in counts.items()
                if split is not None
            },
            "ignored_pixels": {
                name: int(split.pixel_counts[:, -1].sum())
                for name, split in counts.items()
                if split is not None and split.pixel_counts is not None
            },
            "folds": len(self.folds),
            "has_lengths": self.has_lengths,
            "class_weights": None if self.class_weights is None else self.class_weights.tolist(),
            "preprocessing": self.preprocessing.to_json(),
            "warnings": self.told,
        }
