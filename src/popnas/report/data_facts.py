"""What was found in data, as values: what `popnas dataset inspect` shows and prints as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from popnas.records import Record


@dataclass(frozen=True)
class SizeRange(Record):
    """Smallest, median and largest extent per axis (height, width; or timesteps), and how many sizes."""

    smallest: tuple[int, ...]
    median: tuple[int, ...]
    largest: tuple[int, ...]
    num_distinct: int

    @property
    def num_axes(self) -> int:
        """2 of images, 1 of series."""
        return len(self.smallest)

    def __str__(self) -> str:
        """240x180; 64x64 to 80x70, median 72x65; 30 to 45 timesteps, median 40."""
        smallest, median, largest = (
            "x".join(map(str, reversed(size))) for size in (self.smallest, self.median, self.largest)
        )
        unit = "" if self.num_axes == 2 else " timesteps"
        if self.num_distinct == 1:
            return smallest + (unit.removesuffix("s") if smallest == "1" else unit)
        return f"{smallest} to {largest}{unit}, median {median}"


@dataclass(frozen=True)
class SplitFacts(Record):
    """One split: its examples, and by class how much there is of it (examples, or pixels of masks), its
    share, and in how many examples; how many repeat another one; the share of unlabelled pixels (None: no
    masks); the sizes of examples as they are read, and as they were stored."""

    num_examples: int
    class_counts: Sequence[int]
    class_shares: Sequence[float]
    num_with_class: Sequence[int]
    num_repeated: int
    unlabelled_share: float | None
    sizes: SizeRange
    original_sizes: SizeRange


@dataclass(frozen=True)
class Inspected(Record):
    """What data hold: splits, classes, sizes, duplicates ("train/test": how many are in both), and what of it
    will hurt a search (`warnings`); `notes` hurt nothing. `unusable_splits` are there and cannot be read;
    `num_contradictory` examples equal another one and bear another class."""

    place: str
    type: str
    input_shape: tuple[int, ...]
    num_classes: int
    class_names: Sequence[str]
    splits: Mapping[str, SplitFacts]
    shared: Mapping[str, int]
    unusable_splits: Sequence[str]
    num_contradictory: int
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def train(self) -> SplitFacts:
        """The training split."""
        return self.splits["train"]

    @property
    def is_per_pixel(self) -> bool:
        """Whether there are masks."""
        return self.train.unlabelled_share is not None
