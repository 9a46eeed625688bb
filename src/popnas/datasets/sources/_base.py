"""The contract of a data source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from popnas.config import DatasetConfig
    from popnas.config.sections import ResizeConfig
    from popnas.datasets.dataset import Dataset


class RawData(Protocol):
    """What a source reads: it knows how to become a `Dataset` (see `ImageData` and `SeriesData`)."""

    def assemble(self, config: DatasetConfig, seed: int) -> Dataset:
        """The data set of a run."""
        ...


@dataclass(frozen=True)
class Request:
    """What is asked of a source: a data set by `name` or by `path`, images at the size `resize`, `test` data
    only if needed. Not `is_cached`, large data may be left on disk and read one by one.
    """

    task: str
    name: str | None
    path: Path | None
    resize: ResizeConfig | None
    needs_test: bool
    is_cached: bool = True

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits to read, where they exist."""
        return ("train", "validation", "test") if self.needs_test else ("train", "validation")


class Source(ABC):
    """One origin of data.

    `tasks` are the values of `dataset.type` that it serves; `layout` says in a few words what it looks for at
    a path.
    """

    tasks: ClassVar[frozenset[str]]
    layout: ClassVar[str] = ""

    def data_sets(self) -> Sequence[str]:
        """Names that it offers, for lists and suggestions."""
        return ()

    def offers(self, name: str) -> bool:
        """Whether it can try to get the data set of that name."""
        return name in self.data_sets()

    def recognizes(self, path: Path) -> bool:
        """Whether the existing `path` looks like its layout."""
        return False

    def nearly(self, path: Path) -> str | None:
        """What the `path` of no layout looks like, and what makes it this one: the rest of a sentence."""
        return None

    @abstractmethod
    def read(self, request: Request) -> RawData:
        """The raw data.

        Raises:
            DataError: what is there cannot be used.
            MissingExtraError: an optional package is needed.
        """
