"""The predictors at the published size, and how well they rank cells of one block more than they have seen.

12 operators, lookback depth 2, step 5 of 5: 144 parents with 4 blocks, 378,432 expansions; fits on 450 cells
of 0 to 4 blocks. CPU seconds on one core, median of 3; peak memory of the process. The figures of `--rank`
are of simulated searches: a score with diminishing returns, times that are sums over operators, both noisy.

    python benchmarks/bench_predictors.py [--rank]
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
import torch
from scipy.stats import spearmanr

from popnas.cells import SearchSpace, bulk
from popnas.predictors import REGISTRY, Predictor, PredictorContext
from popnas.predictors.features import time_features

SPACE = SearchSpace([f"{size}x{size} conv" for size in range(1, 13)], num_blocks=5, lookback_depth=2)
REPETITIONS = 3
T = TypeVar("T")


def main() -> None:
    torch.set_num_threads(1)
    if "--rank" in sys.argv:
        rank()
    else:
        speed()


def speed() -> None:
    rng = np.random.default_rng(0)
    truth = Truth(rng)
    seen = grown([12, 120, 159, 159], truth, rng)
    parents = bulk.canonicalize(seen[-144:, :4])
    expansion = bulk.expand(parents, SPACE)
    print(f"{len(parents)} parents, {len(expansion.cells)} distinct expansions; fits on {len(seen)} cells")
    costs = truth.costs
    measure("time features", lambda: time_features(expansion.cells, costs, stacked(expansion.cells)))
    for name, kind in REGISTRY.items():
        predictor = make(kind, costs)
        targets = truth.seconds(seen, rng) if kind.objective == "time" else truth.score(seen, rng)
        measure(f"{name} fit", lambda p=predictor, t=targets: p.fit(seen, t, seed=0))
        measure(f"{name} predict", lambda p=predictor: p.predict(expansion.cells, parents=expansion.parent))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def rank() -> None:
    for name, kind in REGISTRY.items():
        figures = []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            truth = Truth(rng)
            seen = grown([30, 60, 60], truth, rng)
            larger = bulk.expand(seen[-60:, :3], SPACE).cells
            larger = larger[rng.choice(len(larger), 3000, replace=False)]
            values = truth.seconds if kind.objective == "time" else truth.score
            predictor = make(kind, truth.costs)
            predictor.fit(seen, values(seen, rng), seed=seed)
            predicted, real = predictor.predict(larger).mean, values(larger, None)
            figures.append((spearmanr(predicted, real)[0], 100 * np.abs(predicted / real - 1).mean()))
        correlation, error = np.mean(figures, axis=0)
        print(f"{name}: Spearman {correlation:.3f}, error {error:.1f} % on cells of one block more")


class Truth:
    """A made-up ground truth: what each operator costs and is worth, alone and after one another."""

    def __init__(self, rng: np.random.Generator) -> None:
        num_operators = SPACE.num_operators
        self.costs = np.exp(rng.normal(0, 1, num_operators))
        self.costs /= self.costs.max()
        self.worth = rng.normal(0, 1, num_operators)
        self.pair = rng.normal(0, 0.4, (num_operators, num_operators))
        self.lookback = rng.normal(0, 0.3, 2)

    def score(self, cells_NB4: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Accuracies (N,); noisy unless `rng` is None."""
        is_real = cells_NB4[:, :, 1] >= 0
        first, second = cells_NB4[:, :, 1], cells_NB4[:, :, 3]
        value = (self.worth[first] + self.worth[second]) / 2 + self.pair[first, second]
        for inputs in (cells_NB4[:, :, 0], cells_NB4[:, :, 2]):
            value += np.where(inputs < 0, self.lookback[np.where(inputs < 0, -1 - inputs, 0)], 0.2)
        num_blocks = np.maximum(is_real.sum(axis=1), 1)
        latent = (value * is_real).sum(axis=1) / np.sqrt(num_blocks) + 0.3 * bulk.depth(cells_NB4)
        noise = 0.0 if rng is None else rng.normal(0, 0.005, len(cells_NB4))
        return 0.55 + 0.4 / (1 + np.exp(-0.5 * latent)) + noise

    def seconds(self, cells_NB4: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Times (N,); noisy unless `rng` is None."""
        features = time_features(cells_NB4, self.costs, stacked(cells_NB4))
        exact = 5 + features[:, 1] * (features[:, 2] * (1 + 0.25 * features[:, 4]) + 0.1 * features[:, 7])
        return exact if rng is None else exact * np.exp(rng.normal(0, 0.04, len(cells_NB4)))


def grown(num_per_step: list[int], truth: Truth, rng: np.random.Generator) -> np.ndarray:
    """What a search would have evaluated: of each step the better half of some random cells, in one array."""
    cells = np.empty((sum(num_per_step), len(num_per_step), 4), dtype=np.int16)
    cells[:] = (0, -1, 0, -1)
    start = 0
    for step, count in enumerate(num_per_step, start=1):
        drawn = bulk.canonicalize(SPACE.random_cells(2 * count, step, rng))
        best = np.argsort(-truth.score(drawn, rng))[:count]
        cells[start : start + count, :step] = drawn[best]
        start += count
    return cells


def stacked(cells_NB4: np.ndarray) -> np.ndarray:
    """As in a network of 8 cells: those that read only the cell before last are built half as often."""
    return np.where(bulk.nearest_lookback(cells_NB4) == -1, 8, 4)


def make(kind: type[Predictor], costs: np.ndarray) -> Predictor:
    return kind(PredictorContext(SPACE, stacked, costs))


def measure(what: str, run: Callable[[], T]) -> T:
    seconds = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        result = run()
        seconds.append(time.process_time() - start)
    print(f"{what}: {statistics.median(seconds):.2f} s (from {min(seconds):.2f} to {max(seconds):.2f})")
    return result


if __name__ == "__main__":
    main()
