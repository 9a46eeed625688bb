"""What a worker does for a candidate of a table: it looks it up."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from popnas import config
from popnas.cells import Cell
from popnas.errors import CandidateFailed
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators._base import WorkerSetup
from popnas.evaluators.table import stored
from popnas.evaluators.table.evaluator import TableEvaluator
from popnas.executors import Worker
from popnas.records import Json


@dataclass(frozen=True)
class Lookup:
    """Answers for candidates from the table of an evaluator."""

    evaluator: TableEvaluator

    def measured(self, job: CandidateJob) -> Measured:
        """The figures of one of the cell's trainings: its seed chooses which one."""
        evaluator, table = self.evaluator, self.evaluator.table
        row = int(evaluator.rows(evaluator.space.encode([Cell.parse(job.cell)]))[0])
        training = evaluator.training(job)
        costs = Measured(params=int(table.params[row]), flops=int(table.flops[row]))
        failure = int(table.failures[row, training])
        if failure != stored.WORKED:
            kind = CandidateFailed.KINDS[failure]
            return replace(costs, error="it failed in the table, too", error_kind=kind)
        values = table.metrics[row, training, evaluator.epoch]
        metrics = {str(name): plain(value) for name, value in zip(table.metric_names, values, strict=True)}
        return replace(
            costs,
            metrics=metrics,
            score=metrics[evaluator.config.search_strategy.score_metric],
            training_seconds=plain(table.training_seconds[row, training, evaluator.epoch]),
            inference_seconds=plain(table.inference_seconds[row, training]),
            head_metrics=[metrics],
        )


def plain(value: np.floating[Any]) -> float:
    """The number with the fewest digits that is this float of 32 bits: 0.9444444, not 0.94444441795349."""
    return float(str(value))


def setup(payload: Json, worker: Worker) -> Lookup:
    """Read the table; `payload` is a `WorkerSetup`."""
    return Lookup(TableEvaluator(config.load(WorkerSetup.from_json(payload).config)))


def evaluate(context: Lookup, payload: Json) -> Json:
    """Look one candidate up: a `CandidateJob` as JSON -> a `Measured` as JSON."""
    started = time.perf_counter()
    found = context.measured(CandidateJob.from_json(payload))
    return replace(found, volatile={"wall_seconds": time.perf_counter() - started}).to_json()
