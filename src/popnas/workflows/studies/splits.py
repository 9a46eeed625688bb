"""What predictors learn from, and what they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from popnas.errors import UserError
from popnas.printable import counted
from popnas.records import Record
from popnas.workflows.studies.known import KnownCells

Asked = Literal["sample", "random", "exploration", "trained"]
_FEWEST_ASKED = 3


@dataclass(frozen=True)
class Where:
    """What is read: `paths` of runs and tables; of a table `epochs` (None: the most), of NAS-Bench-201
    `data_set`, too; `metric` that is the score (None: the one that each was made for)."""

    paths: Sequence[Path]
    epochs: int | None = None
    data_set: str = "cifar10"
    metric: str | None = None


@dataclass(frozen=True)
class StudyRequest(Record):
    """What is studied.

    `random`: so many cells of any size to learn from, drawn evenly, instead of steps; `trained`: of a table
    so many cells of each step from 2 on to learn from; `sample`: at most so many cells to ask for; `seeds`:
    how often, each with other cells, trainings and predictors.
    """

    random: int | None = None
    trained: int = 60
    sample: int = 1000
    seeds: int = 5

    def check(self) -> None:
        """Raises UserError: a number that cannot be."""
        for name, least in (("random", 3), ("trained", 1), ("sample", _FEWEST_ASKED), ("seeds", 1)):
            if (value := getattr(self, name)) is not None and value < least:
                raise UserError(f"`{name}` {value}: must be at least {least}.")


@dataclass(frozen=True)
class StudySplit:
    """`step` that is asked for (0: cells of any size); rows to learn from and to ask for; which ones these
    are."""

    step: int
    learnt: np.ndarray
    asked: np.ndarray
    kind: Asked

    @property
    def is_drawn(self) -> bool:
        """Whether every seed draws other cells: seeds of the same cells tell only how fits differ."""
        return self.kind == "sample"


def splits(known: KnownCells, request: StudyRequest, rng: np.random.Generator) -> Iterator[StudySplit]:
    """All of one seed: each step from 2 on, or one at random.

    Raises:
        UserError: too few cells.
    """
    num_cells, num_blocks_N = len(known.cells), known.num_blocks
    if request.random is not None:
        if request.random + _FEWEST_ASKED > num_cells:
            raise UserError(
                f"`random` {request.random}: {known.name} has {counted(num_cells, 'cell')}, and at least "
                f"{_FEWEST_ASKED} must be left to ask for."
            )
        order = rng.permutation(num_cells)
        asked = order[request.random :][: request.sample]
        yield StudySplit(0, order[: request.random], asked, "sample")
        return
    for step in range(2, int(num_blocks_N.max()) + 1):
        smaller = [np.flatnonzero(num_blocks_N < 2)]
        smaller += [_some(np.flatnonzero(num_blocks_N == b), known, request, rng) for b in range(2, step)]
        asked, kind = _asked(np.flatnonzero(num_blocks_N == step), known, request, rng)
        if len(asked) >= _FEWEST_ASKED:
            yield StudySplit(step, np.concatenate(smaller), asked, kind)


def _some(rows: np.ndarray, known: KnownCells, request: StudyRequest, rng: np.random.Generator) -> np.ndarray:
    """Of a table a sample; of a run all that it trained, which is what its predictors learnt from."""
    if known.chosen_by is not None:
        return rows
    return np.sort(rng.permutation(rows)[: request.trained])


def _asked(
    rows: np.ndarray, known: KnownCells, request: StudyRequest, rng: np.random.Generator
) -> tuple[np.ndarray, Asked]:
    """Cells drawn at random alone where there are enough: exploration takes its own in the order of their
    predicted scores, so that they are half a selection."""
    if known.chosen_by is None:
        return np.sort(rng.permutation(rows)[: request.sample]), "sample"
    kinds: tuple[Asked, ...] = ("random", "exploration")
    for kind in kinds:
        chosen = rows[known.chosen_by[rows] == kind]
        if len(chosen) >= _FEWEST_ASKED:
            return chosen, kind
    return rows, "trained"
