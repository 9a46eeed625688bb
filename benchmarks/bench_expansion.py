"""The search step's share of the strategy at the published size: expansion, duplicates, front, exploration.

12 operators, lookback depth 2, step 5 of 5, 144 parents with 4 blocks selected by a simulated search (128
from the front, 16 exploring, seed 0): 378,432 expansions. CPU seconds on one core, median of 5; peak memory
of the process.

    python benchmarks/bench_expansion.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from popnas.cells import SearchSpace, bulk
from popnas.strategy import ProgressiveSearch, StrategySettings, select

OPERATORS = (
    *("identity", "1x1 conv", "3x3 conv", "5x5 conv", "1x3-3x1 conv", "1x5-5x1 conv", "1x7-7x1 conv"),
    *("3x3 dconv", "5x5 dconv", "7x7 dconv", "2x2 maxpool", "2x2 avgpool"),
)
REPETITIONS = 5
T = TypeVar("T")


def main() -> None:
    space = SearchSpace(OPERATORS, num_blocks=5, lookback_depth=2)
    settings = StrategySettings(128, 16, ("score", "time", "params"))
    parents = simulated_parents(space, settings, step=5, rng=np.random.default_rng(0))
    expansion = measure("expansion, canonical forms, duplicates", lambda: bulk.expand(parents, space))
    print(f"  {len(parents)} parents, {expansion.num_expansions} expansions, {len(expansion)} distinct")
    predictions = simulated_predictions(expansion.canonical, space, np.random.default_rng(5))
    selection = measure(
        "order and front", lambda: select(expansion.canonical, predictions, space, settings, step=5)
    )
    print(f"  front of {selection.front_size}, {len(selection.front)} trained")
    # The last step explores nothing; as the step before the last of a larger search it would.
    larger = SearchSpace(OPERATORS, num_blocks=6, lookback_depth=2)
    selection = measure(
        "order, front, exploration",
        lambda: select(expansion.canonical, predictions, larger, settings, step=5),
    )
    print(f"  {len(selection.exploration)} exploration cells")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def measure(what: str, run: Callable[[], T]) -> T:
    result = run()
    seconds = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        result = run()
        seconds.append(time.process_time() - start)
    print(f"{what}: {statistics.median(seconds):.3f} s (from {min(seconds):.3f} to {max(seconds):.3f})")
    return result


def simulated_parents(
    space: SearchSpace, settings: StrategySettings, step: int, rng: np.random.Generator
) -> np.ndarray:
    """The parents of a step, from a search with simulated predictions: related cells, as in a real one."""
    cells = np.stack(
        [space.encode([item.cell])[0] for item in ProgressiveSearch(space, settings).proposals(1)]
    )
    for number in range(2, step):
        expansion = bulk.expand(cells, space)
        predictions = simulated_predictions(expansion.canonical, space, rng)
        selection = select(expansion.canonical, predictions, space, settings, number)
        cells = expansion.canonical[np.concatenate([selection.front, selection.exploration])]
    return cells


def simulated_predictions(
    cells_NB4: np.ndarray, space: SearchSpace, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Plausible objectives: operators cost time and parameters, and buy score with diminishing returns."""
    costs = np.random.default_rng(1).uniform(0, 1, space.num_operators)
    weights = np.round(costs**2 * 1e5).astype(np.int64)
    operators = cells_NB4[:, :, 1::2].reshape(len(cells_NB4), -1)
    cost_N, depth_N = costs[operators].sum(axis=1), bulk.depth(cells_NB4)
    noise_N = rng.normal(0, 0.02, len(cells_NB4))
    score_N = 1 - np.exp(-0.3 * cost_N - 0.1 * depth_N) * 0.5 + noise_N
    time_N = 20 + 10 * cost_N + 2 * depth_N + rng.normal(0, 0.5, len(cells_NB4))
    return {"score": score_N, "time": time_N, "params": weights[operators].sum(axis=1) + 1000 * depth_N}


if __name__ == "__main__":
    main()
