"""Candidates on their way to a worker and back, as the driver of a search sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from popnas.evaluation import CandidateJob, Measured
from popnas.executors import Result
from popnas.seeds import derive_seed


class Place(Protocol):
    """A cell (canonical text) and where it stands among the proposals."""

    @property
    def cell(self) -> str:
        """The cell."""

    @property
    def step(self) -> int:
        """Number of its blocks."""

    @property
    def index(self) -> int:
        """Its place in the step."""


def make(
    place: Place, root_seed: int, *, repetition: int = 0, keeps_weights_from: float | None = None
) -> CandidateJob:
    """The job of a proposal, or of one that was evaluated before."""
    seed = candidate_seed(root_seed, place.cell, repetition)
    return CandidateJob(place.cell, place.step, place.index, seed, repetition, keeps_weights_from)


def candidate_seed(root_seed: int, cell: str, repetition: int = 0) -> int:
    """The seed of a candidate: from the run's seed and the cell's canonical text; repetitions confirm a
    result.
    """
    parts = ["candidate", cell] if repetition == 0 else ["candidate", cell, repetition]
    return derive_seed(root_seed, *parts)


def measured(result: Result) -> Measured:
    """What came of a job: the worker's answer, or the executor's reason why there is none."""
    told: dict[str, float | str] = {"worker": result.worker, "attempts": result.attempts}
    if result.value is None:
        return Measured(error=result.error, error_kind=result.error_kind, volatile=told)
    answer = Measured.from_json(result.value)
    return replace(answer, volatile=answer.volatile | told)
