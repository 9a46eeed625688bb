"""What a table of cells asks of a worker: one cell trained, and what it came to after every epoch.

The same training as a candidate's (`candidate`), with the same seed to the same figures; it leaves no files.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable

import numpy as np

from popnas.cells import Cell
from popnas.errors import CandidateFailed
from popnas.evaluation import CandidateJob, Curve
from popnas.evaluators.training import candidate
from popnas.evaluators.training.context import CandidateContext
from popnas.networks.cost import network_cost
from popnas.records import Json
from popnas.training import TrainingResult
from popnas.training.failures import memory_errors_named
from popnas.training.results import best_of_each


def evaluate(context: CandidateContext, payload: Json) -> Json:
    """Train one cell: a `CandidateJob` as JSON -> a `Curve` as JSON. `context` is `candidate.setup`'s."""
    job = CandidateJob.from_json(payload)
    return candidate.with_memory(context, job, lambda: measure(context, job)).to_json()


def measure(context: CandidateContext, job: CandidateJob) -> Curve:
    """Train one cell. One that fails is an answer too."""
    started, cpu_started = time.perf_counter(), time.process_time()

    def spent() -> dict[str, float | str]:
        return {
            "wall_seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu_started,
            **context.machine,
        }

    cell = Cell.parse(job.cell)
    cost = network_cost(cell, context.spec)
    try:
        with memory_errors_named(context.placement.device):
            results = candidate.trained(context, cell, job.seed, cost)
            seconds = candidate.inference_seconds(context, results[0][0], cost)
    except CandidateFailed as failure:
        return Curve(error=str(failure), error_kind=failure.kind, volatile=spent())
    folds = [result for _, result in results]
    metrics = [_best_so_far(fold) for fold in folds]
    return Curve(
        metrics={name: _means(fold[name] for fold in metrics) for name in metrics[0]},
        training_seconds=_means(_seconds_so_far(fold) for fold in folds),
        inference_seconds=seconds,
        volatile=spent(),
    )


def _best_so_far(fold: TrainingResult) -> dict[str, list[float]]:
    """Each metric's best over heads and the epochs so far; after the last epoch that is the fold's metric."""
    epochs = [best_of_each(record.head_metrics) for record in fold.epochs]
    return {name: list(itertools.accumulate((epoch[name] for epoch in epochs), max)) for name in epochs[0]}


def _seconds_so_far(fold: TrainingResult) -> list[float]:
    return list(itertools.accumulate(record.training_seconds for record in fold.epochs))


def _means(folds: Iterable[list[float]]) -> list[float]:
    found: list[float] = np.mean(list(folds), axis=0).tolist()
    return found
