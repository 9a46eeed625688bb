"""A full search step at the published size on one core: expansion to selection, and the predictors' fits.

12 operators, lookback depth 2, step 5, 144 parents of a simulated search (seed 0), 378,432 expansions;
objectives score, time, params; predictors of score and time fitted on 450 simulated cells (GIN ensemble of
5 and SVR, unless others are named); front of 128, exploration front of 16. CPU seconds, median of 3; peak
memory of the process, torch included.

    python benchmarks/bench_step.py [SCORE_PREDICTOR TIME_PREDICTOR]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from bench_expansion import OPERATORS, simulated_parents
from popnas.cells import SearchSpace, bulk
from popnas.networks import NetworkSpec, bulk_costs, num_cells_stacked
from popnas.predictors import REGISTRY, PredictorContext, features
from popnas.strategy import StrategySettings, round_significant, select

REPETITIONS = 3
NUM_CELLS = 450
SPEC = NetworkSpec("classification", (32, 32, 3), 10, filters=24, motifs=3, normal_cells_per_motif=2)
T = TypeVar("T")


class Clock:
    """CPU seconds per part of the step, over repetitions."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def measure(self, part: str, run: Callable[[], T]) -> T:
        """Run, and keep what it took."""
        start = time.process_time()
        result = run()
        self.seconds.setdefault(part, []).append(time.process_time() - start)
        return result

    def medians(self) -> dict[str, float]:
        """Per part."""
        return {part: statistics.median(values) for part, values in self.seconds.items()}


def main() -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    # One block more than the step, so that the step explores too.
    space = SearchSpace(OPERATORS, num_blocks=6, lookback_depth=2)
    settings = StrategySettings(128, 16, ("score", "time", "params"))
    parents = simulated_parents(space, settings, step=5, rng=np.random.default_rng(0))
    known_NB4, scores_N, times_N, costs_O = simulated_evaluations(space)
    clock = Clock()
    score_name, time_name = sys.argv[1:3] or ("gin", "svr")
    for _ in range(REPETITIONS):
        context = PredictorContext(space, lambda cells: num_cells_stacked(cells, SPEC), costs_O)
        scorer, timer = REGISTRY.get(score_name)(context), REGISTRY.get(time_name)(context)
        clock.measure(f"fit: {score_name}", lambda made=scorer: made.fit(known_NB4, scores_N, seed=0))
        clock.measure(f"fit: {time_name}", lambda made=timer: made.fit(known_NB4, times_N, seed=0))
        expansion = clock.measure("expansion, duplicates", lambda: bulk.expand(parents, space))
        score = clock.measure(
            "score prediction",
            lambda made=scorer, e=expansion: made.predict(e.cells, parents=e.parent).mean,
        )
        seconds = clock.measure("time prediction", lambda made=timer, e=expansion: made.predict(e.cells).mean)
        params = clock.measure("params", lambda e=expansion: bulk_costs(e.cells, space, SPEC).params)
        predictions = {
            "score": round_significant(score),
            "time": round_significant(seconds),
            "params": params,
        }
        selection = clock.measure(
            "front, exploration",
            lambda e=expansion, p=predictions: select(e.canonical, p, space, settings, step=5),
        )
    medians = clock.medians()
    print(f"{len(parents)} parents, {expansion.num_expansions} expansions, {len(expansion)} distinct")
    print(f"front of {selection.front_size}, {len(selection.exploration)} exploration cells")
    for part, value in medians.items():
        print(f"  {part:28s} {value:7.3f} s")
    step = sum(value for part, value in medians.items() if not part.startswith("fit"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    without = step - medians["score prediction"]
    print(f"step in all {step:.2f} s (at most 6); without the score {without:.2f} s (2)")
    print(f"peak memory {memory:.2f} GiB (at most 1)")
    return medians | {"step": step, "peak_gib": memory}


def simulated_evaluations(
    space: SearchSpace,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """450 cells of 1 to 4 blocks with plausible scores and times, and the operators' costs."""
    rng = np.random.default_rng(0)
    parts = [space.random_cells(NUM_CELLS // 4 + (b == 1) * (NUM_CELLS % 4), b, rng) for b in range(1, 5)]
    known_NB4 = np.concatenate([pad(part, 4) for part in parts])
    costs_O = rng.uniform(0.05, 1, space.num_operators)
    stacked_N = num_cells_stacked(known_NB4, SPEC)
    sum_N = features.time_features(known_NB4, costs_O, stacked_N)[:, 2]
    depth_N = bulk.depth(known_NB4)
    scores_N = 0.9 - 0.4 * np.exp(-0.3 * sum_N - 0.2 * depth_N) + rng.normal(0, 0.01, len(known_NB4))
    times_N = stacked_N * (1 + sum_N) + rng.normal(0, 0.2, len(known_NB4))
    return known_NB4, scores_N, times_N, costs_O


def pad(cells_NB4: np.ndarray, num_blocks: int) -> np.ndarray:
    """The cells with absent blocks at their end."""
    absent = np.tile(
        np.array([0, -1, 0, -1], dtype=cells_NB4.dtype), (len(cells_NB4), num_blocks - cells_NB4.shape[1], 1)
    )
    return np.concatenate([cells_NB4, absent], axis=1)


if __name__ == "__main__":
    main()
