"""Candidates on their way to a worker and back, as the driver of a search sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from popnas.cells import Cell
from popnas.evaluation import CandidateJob, Evaluation, Measured
from popnas.executors import Result
from popnas.runs import Confirmation, RunState, artifacts
from popnas.seeds import candidate_seed


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


def lacking(wanted: Iterable[tuple[Place, int]], root_seed: int, state: RunState) -> list[CandidateJob]:
    """The jobs of (cell, repetition) that the state has no `confirmation` of."""
    done = {(item.cell, item.repetition) for item in state.confirmations}
    return [
        make(place, root_seed, repetition=repetition)
        for place, repetition in wanted
        if (place.cell, repetition) not in done
    ]


def again(evaluation: Evaluation) -> CandidateJob:
    """The job of an evaluation once more, which leaves the same files."""
    return CandidateJob(evaluation.cell, evaluation.step, evaluation.index, evaluation.seed)


def confirming(training: Confirmation) -> CandidateJob:
    """The job that a cell's further training was, but for its place in a step, which decides nothing."""
    seed = 0 if training.seed is None else training.seed
    return CandidateJob(training.cell, len(Cell.parse(training.cell)), 0, seed, training.repetition)


def received(result: Result, job: CandidateJob, run: Path) -> Measured:
    """What came of a job, with the files that came with it in their places in the folder `run`, and its
    sentences about files with their paths there.

    Raises:
        ExecutorError: files that are not the job's.
        StorageError: the disk refused.
    """
    found = measured(result)
    folder = artifacts.of_candidate(job.step, job.index)
    artifacts.unpack(found.files, run, [folder, artifacts.of_weights(job.cell)])
    told = tuple(sentence.replace(folder, str(run / folder)) for sentence in found.missing_views)
    return replace(found, missing_views=told, files={})


def measured(result: Result) -> Measured:
    """What came of a job: the worker's answer, or the executor's reason why there is none."""
    told: dict[str, float | str] = {"worker": result.worker, "attempts": result.attempts}
    if result.value is None:
        return Measured(error=result.error, error_kind=result.error_kind, volatile=told)
    answer = Measured.from_json(result.value)
    return replace(answer, volatile={**answer.volatile, **told})
