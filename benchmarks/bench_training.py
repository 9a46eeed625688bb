"""What a training step is made of, what its layout in memory does, and how far a measured time can be
trusted.

Candidates of the small search (16x16 grey images, batch 64, 8 filters, 3 cells), one thread, CPU time.

- `step`: medians of forward, backward, optimizer and data per step.
- `layout`: a step in channels last against torch's own layout, interleaved.
- `workers`: the measured training time of one candidate, 20 interleaved repetitions with one worker, with
  one again (the noise of one against itself) and with two workers training it side by side; ratios of
  medians.

    python benchmarks/bench_training.py
"""

from __future__ import annotations

import json
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

NUM_TRAINING, NUM_VALIDATION, BATCH = 1294, 143, 64
STEPS, REPETITIONS = 40, 20
CELLS = {
    "identity + dconv": "[(-1, identity, -1, 3x3 dconv)]",
    "conv + maxpool": "[(-1, 3x3 conv, -1, 2x2 maxpool)]",
    "stacked conv + conv": "[(-2, 1x3-3x1 conv, -1, 3x3 conv)]",
    "three blocks": "[(-1, 3x3 conv, -1, 3x3 dconv);(-2, 3x3 dconv, 0, 1x3-3x1 conv);"
    "(-1, 2x2 maxpool, 1, 3x3 conv)]",
}


class Bench:
    """Data, loss and settings of the small search, with random images."""

    def __init__(self) -> None:
        import numpy as np
        import torch

        from popnas.datasets import Preprocessing, Split
        from popnas.networks import NetworkSpec
        from popnas.placement import Placement
        from popnas.training import TrainingSettings

        torch.set_num_threads(1)
        rng = np.random.default_rng(0)
        self.splits = [
            Split(rng.integers(0, 256, (n, 16, 16, 1), dtype=np.uint8), rng.integers(0, 10, n), None)
            for n in (NUM_TRAINING, NUM_VALIDATION)
        ]
        self.preprocessing = Preprocessing(offset=(0.0,), scale=(1 / 255,))
        self.spec = NetworkSpec(
            "classification", (16, 16, 1), 10, filters=8, motifs=2, normal_cells_per_motif=1
        )
        self.settings = TrainingSettings(epochs=3, weight_decay=5e-4)
        self.placement = Placement.on("cpu", num_dims=self.spec.num_dims, filters=self.spec.filters)

    def network(self, cell: str) -> Any:
        """A candidate, always with the same weights."""
        import torch

        from popnas.cells import Cell
        from popnas.networks import build

        torch.manual_seed(0)
        return build(Cell.parse(cell), self.spec)

    def loader(self, index: int, is_training: bool) -> Any:
        """Of the training (0) or validation (1) split."""
        from popnas.datasets.loader import Batching, DeviceLoader

        return DeviceLoader(
            self.splits[index],
            self.preprocessing,
            self.placement,
            Batching(BATCH, shuffle=is_training),
        )

    def fit(self, cell: str) -> Any:
        """A whole training."""
        from torch.nn.functional import cross_entropy

        from popnas import tasks
        from popnas.training import Course, Criteria, fit

        return fit(
            self.network(cell),
            self.loader(0, True),
            self.loader(1, False),
            Criteria(cross_entropy, lambda: tasks.get("image_classification").metrics(10)),
            self.settings,
            self.placement,
            Course(seed=0),
        )

    def stepper(self, cell: str, placement: Any) -> Any:
        """What makes single steps."""
        from torch.nn.functional import cross_entropy

        from popnas.training.stepper import Stepper

        return Stepper(self.network(cell).train(), cross_entropy, self.settings, placement)


def split_of_a_step(bench: Bench, cell: str) -> dict[str, float]:
    """Median milliseconds of the parts of a step."""
    stepper = bench.stepper(cell, bench.placement)
    parts: dict[str, list[float]] = {name: [] for name in ("data", "forward", "backward", "optimizer")}
    for _ in range(STEPS // 20):
        marks = [time.thread_time()]
        for loaded in bench.loader(0, True):
            batch = stepper.prepared(loaded)
            marks.append(time.thread_time())
            loss = stepper.loss(stepper.network(batch.x, batch.lengths)[0], batch.y)
            marks.append(time.thread_time())
            loss.backward()
            marks.append(time.thread_time())
            stepper.optimizer.step()
            stepper.release_gradients()
            marks.append(time.thread_time())
            for index, name in enumerate(parts):
                parts[name].append((marks[index + 1] - marks[index]) * 1e3)
            marks = marks[-1:]
    return {name: round(statistics.median(values), 3) for name, values in parts.items()}


def layouts(bench: Bench, cell: str) -> dict[str, float]:
    """Median milliseconds of a step in each layout, steps taken in turn."""
    own = replace(bench.placement, memory_format=None)
    steppers = {"own": bench.stepper(cell, own), "channels last": bench.stepper(cell, bench.placement)}
    loaded = next(iter(bench.loader(0, True)))
    # What the loader hands over is laid out already.
    batches = {name: stepper.prepared(loaded) for name, stepper in steppers.items()}
    batches["own"] = batches["own"]._replace(x=loaded.x.flatten().view(loaded.x.shape))
    milliseconds: dict[str, list[float]] = {name: [] for name in steppers}
    for _ in range(STEPS):
        for name, stepper in steppers.items():
            began = time.thread_time()
            stepper.step(batches[name], 0.001)
            milliseconds[name].append((time.thread_time() - began) * 1e3)
            stepper.release_gradients()
    medians = {name: round(statistics.median(values), 2) for name, values in milliseconds.items()}
    return medians | {"ratio": round(medians["own"] / medians["channels last"], 2)}


def setup(payload: dict[str, Any], worker: Any) -> Bench:
    """The workers' context."""
    return Bench()


def evaluate(bench: Bench, payload: dict[str, Any]) -> dict[str, Any]:
    """Train the candidate."""
    return {"training_seconds": bench.fit(payload["cell"]).training_seconds}


def workers(cell: str) -> dict[str, float]:
    """Ratios of the medians of measured training times."""
    from popnas import executors
    from popnas.executors import Job, Work

    seconds: dict[str, list[float]] = {"one": [], "one again": [], "two": []}
    with ExitStack() as stack:
        pools = {
            name: stack.enter_context(
                executors.create(
                    "processes",
                    Work("bench_training:setup", "bench_training:evaluate"),
                    num_workers=1 + (name == "two"),
                )
            )
            for name in seconds
        }
        for repetition in range(REPETITIONS + 1):
            for name, pool in pools.items():
                jobs = [Job(str(number), {"cell": cell}) for number in range(pool.num_workers)]
                times = [result.value["training_seconds"] for result in pool.run(jobs) if result.value]
                if repetition:  # the first one starts the workers
                    seconds[name] += times
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "training_seconds": round(medians["one"], 3),
        "one again / one": round(medians["one again"] / medians["one"], 3),
        "two / one": round(medians["two"] / medians["one"], 3),
    }


def main() -> None:
    """Print one JSON object per measurement."""
    bench = Bench()
    for name, cell in CELLS.items():
        print(json.dumps({"step": name, "milliseconds": split_of_a_step(bench, cell)}), flush=True)
    for name, cell in CELLS.items():
        print(json.dumps({"layout": name, "milliseconds": layouts(bench, cell)}), flush=True)
    for name in ("conv + maxpool", "three blocks"):
        print(json.dumps({"workers": name} | workers(CELLS[name])), flush=True)


if __name__ == "__main__":
    main()
