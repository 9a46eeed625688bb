"""What a candidate costs beside training, validation and the timing of its inference.

A five-block cell in a network of 8 cells (3 motifs, 2 normal cells, 24 filters) on 300 digits, one epoch, as
a worker of the search evaluates it: building, cost, loaders, event files, texts, weights. CPU time of one
thread, median of 7 after a first one. The training's warm-up step on a copy of the network is told apart.

    python benchmarks/bench_candidate.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from popnas import training
from popnas.evaluation import CandidateJob
from popnas.evaluators.training import candidate
from popnas.executors import Worker
from popnas.runs import artifacts
from popnas.training.loop import _Training
from popnas.workflows.settings import load_config

CELL = (
    "[(-2, 3x3 dconv, -1, 3x3 conv);(-1, identity, 0, 1x3-3x1 conv);(-2, 2x2 maxpool, 0, 3x3 dconv);"
    "(-1, 1x1 conv, 1, identity);(2, 3x3 dconv, -1, identity)]"
)
CONFIG = {
    "search_space": {"blocks": 5, "operators": ["identity", "3x3 conv"]},
    "training_hyperparameters": {"epochs": 1},
    "dataset": {"type": "image_classification", "name": "digits", "samples": 300, "batch_size": 64},
    "others": {"train_strategy": "CPU"},
}
REPETITIONS = 7


class Timed:
    """Adds up the CPU time of the calls of one function while it is `watched`."""

    def __init__(self, owner: Any, name: str) -> None:
        self.seconds = 0.0
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return original(*arguments, **named)
            finally:
                self.seconds += time.thread_time() - began

        setattr(owner, name, timed)

    def take(self) -> float:
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def main() -> dict[str, float]:
    torch.set_num_threads(1)
    warm_up, inference = Timed(_Training, "_warm_up"), Timed(training, "inference_seconds")
    found: dict[str, list[float]] = {"beside": [], "warm-up": [], "training": [], "validation": []}
    with tempfile.TemporaryDirectory() as folder:
        workers_told = {"artifacts": folder, "run": None, "judges_memory": False}
        payload = {"config": load_config(CONFIG).to_json(), **workers_told}
        context = candidate.setup(payload, Worker())
        for index in range(REPETITIONS + 1):
            job = CandidateJob(CELL, step=5, index=index, seed=0)
            began = time.thread_time()
            answer = candidate.measure(context, job, artifacts.opened(folder)).volatile
            total = time.thread_time() - began
            parts = {
                "warm-up": warm_up.take(),
                "training": answer["epochs_seconds"],
                "validation": answer["validation_seconds"],
            }
            parts["beside"] = total - sum(parts.values()) - inference.take()
            for name, seconds in parts.items():
                found[name].append(seconds)
    medians = {name: statistics.median(seconds[1:]) for name, seconds in found.items()}
    for name, seconds in medians.items():
        print(f"  {name:12s} {seconds:7.3f} s")
    print(f"beside training, validation and inference: {medians['beside']:.3f} s (at most 0.2)")
    return medians


if __name__ == "__main__":
    main()
