"""What a worker does for a candidate of NAS-Bench-201: it looks the architecture up."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from popnas import config
from popnas.cells import Cell
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators._base import WorkerSetup, create
from popnas.evaluators.nasbench201.evaluator import NasBench201Evaluator
from popnas.executors import Worker
from popnas.records import Json


@dataclass(frozen=True)
class ArchitectureLookup:
    """Answers for candidates from the figures of an evaluator."""

    evaluator: NasBench201Evaluator

    def measured(self, job: CandidateJob) -> Measured:
        """The figures of one of the architecture's trainings: the candidate's seed chooses which one."""
        evaluator = self.evaluator
        (code,) = evaluator.codes(evaluator.space.encode([Cell.parse(job.cell)])).tolist()
        trainings = evaluator.trainings[code]
        trainings = trainings[np.isfinite(trainings)]
        metrics = {"accuracy": round(float(trainings[evaluator.training(job)]), 6)}
        latencies = evaluator.latencies
        return Measured(
            params=int(evaluator.params[code]),
            metrics=metrics,
            score=metrics["accuracy"],
            training_seconds=round(float(evaluator.seconds[code]), 3),
            inference_seconds=None if latencies is None else float(latencies[code]),
            head_metrics=[metrics],
        )


def setup(payload: Json, worker: Worker) -> ArchitectureLookup:
    """Read the figures; `payload` is a `WorkerSetup`."""
    evaluator = create(config.load(WorkerSetup.from_json(payload).config))
    assert isinstance(evaluator, NasBench201Evaluator)
    return ArchitectureLookup(evaluator)


def evaluate(context: ArchitectureLookup, payload: Json) -> Json:
    """Look one candidate up: a `CandidateJob` as JSON -> a `Measured` as JSON."""
    started = time.perf_counter()
    found = context.measured(CandidateJob.from_json(payload))
    return replace(found, volatile={"wall_seconds": time.perf_counter() - started}).to_json()
