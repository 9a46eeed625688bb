"""Candidates that train nothing, for benchmarks of all that is around them: figures by a formula of the cell.

Workers find this module by its name, so it must lie on the path of the driver, as it does beside a script.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest import mock

import numpy as np

from popnas.cells import Cell
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators import REGISTRY, Evaluator, Expected, Forecast
from popnas.events import Listen
from popnas.executors import Worker

OPERATORS = ("identity", "3x3 conv", "5x5 conv", "7x7 conv", "3x3 dconv", "5x5 dconv", "2x2 maxpool", "8r SE")
NUM_SINGLES = 136
"""Cells of one block of these, with two lookbacks."""
MEAN_SECONDS, SPREAD = 60.0, 0.3
"""Of the trainings that are pretended: their mean, and the standard deviation of its logarithm."""


class StubEvaluator(Evaluator):
    """See the module."""

    setup = "stub_evaluator:set_up"
    evaluate = "stub_evaluator:answer"
    operators = OPERATORS
    unused_settings: ClassVar = {"training_hyperparameters": "has no effect: nothing is trained."}

    @classmethod
    def objectives(cls) -> Sequence[str]:
        return ("score", "time", "params")

    def facts(self) -> dict[str, Any]:
        return {"kind": "a formula", "sha256": hashlib.sha256(b"stub").hexdigest()}

    def compare(self, known: dict[str, Any]) -> str | None:
        return None

    def costs(self, cells_NB4: np.ndarray) -> dict[str, np.ndarray]:
        return {"params": 1000 + 100 * (cells_NB4[:, :, 1::2] + 1).sum(axis=(1, 2)).astype(np.int64)}

    def cells_stacked(self, cells_NB4: np.ndarray) -> np.ndarray:
        return np.ones(len(cells_NB4), dtype=np.int64)

    def forecast(self, tell: Listen) -> Forecast:
        return StubForecast()


class StubForecast(Forecast):
    """What is pretended is known."""

    def expect(self, cells_NB4: np.ndarray) -> Expected:
        seconds = np.full(len(cells_NB4), MEAN_SECONDS)
        return Expected(seconds, {"time": seconds})


def config_of(most_children: int, kind: str, num_workers: int) -> dict[str, Any]:
    """A search that evaluates the empty cell, 136 cells of one block and so many of two at most."""
    return {
        "search_space": {"blocks": 2, "lookback_depth": 2, "operators": list(OPERATORS)},
        "search_strategy": {"max_children": most_children, "max_exploration_children": 0, "score_share": 1.0},
        "dataset": {"type": "image_classification"},
        "others": {
            "evaluator": "stub",
            "predictors": {"score": "trees", "time": "sums"},
            "executor": {"kind": kind, "workers": num_workers},
        },
    }


@contextmanager
def registered() -> Iterator[None]:
    """While the block runs, there is an evaluator `stub`."""
    REGISTRY.names()  # else those that are discovered meanwhile would be gone with it
    with mock.patch.dict(REGISTRY._parts, {"stub": (StubEvaluator, "figures by a formula (benchmarks)")}):
        yield


def measured(text: str) -> Measured:
    """The figures of a cell, by its canonical text."""
    cell = Cell.parse(text)
    numbers = [OPERATORS.index(name) for block in cell.blocks for name in (block.op1, block.op2)]
    noise = np.random.default_rng(list(hashlib.sha256(text.encode()).digest()[:8])).normal(size=2)
    score = 1 - math.exp(-0.2 - 0.1 * sum(numbers)) + 0.01 * float(noise[0])
    metrics = {"accuracy": score, "f1_score": 0.9 * score, "top_k_accuracy": 0.99}
    return Measured(
        params=1000 + 100 * sum(number + 1 for number in numbers),
        metrics=metrics,
        score=score,
        training_seconds=MEAN_SECONDS * math.exp(SPREAD * float(noise[1]) - SPREAD**2 / 2),
        head_metrics=[metrics],
        volatile={"device": "cpu", "cpu_seconds": 1.0},
    )


def set_up(payload: dict[str, Any], worker: Worker) -> None:
    """Nothing is needed."""


def answer(context: None, payload: dict[str, Any]) -> dict[str, Any]:
    """At once; said to have taken as long as its training by the clock."""
    found = measured(CandidateJob.from_json(payload).cell)
    return {**found.to_json(), "volatile": {**found.volatile, "wall_seconds": found.training_seconds}}
