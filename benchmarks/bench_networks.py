"""Costs of the published search's last step in bulk, and building one network; CPU time of one thread.

Run: `python benchmarks/bench_networks.py [--json]`. Params and FLOPs of the expansions of 144 four-block
cells (12 operators, lookback depth 2, step 5), medians of 5; building the CIFAR-10 network of a five-block
cell, 8 cells stacked, median of 5.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from popnas import config
from popnas.cells import SearchSpace, bulk
from popnas.networks import NetworkSpec, build, bulk_costs, network_cost
from popnas.networks.measured import num_trainable

_REPETITIONS = 5


def cpu_seconds(work: Callable[[], object]) -> float:
    """Median CPU time, after one call of warm-up."""
    work()
    times = []
    for _ in range(_REPETITIONS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def measure() -> dict[str, object]:
    """All figures, in CPU seconds."""
    torch.set_num_threads(1)
    run_config = config.load("run_cifar10")
    space = SearchSpace(run_config.search_space.operators, 5, 2)
    spec = NetworkSpec.from_config(run_config, (32, 32, 3), 10)
    parents_PB4 = bulk.canonicalize(space.random_cells(144, 4, np.random.default_rng(0)))
    cells_NB4 = bulk.expand(parents_PB4, space).canonical
    sample = next(cell for cell in space.decode(cells_NB4[::997]) if cell.lookbacks[0] == -1)
    network = build(sample, spec)
    assert num_trainable(network) == network_cost(sample, spec).params
    return {
        "cells": len(cells_NB4),
        "bulk_costs_seconds": cpu_seconds(lambda: bulk_costs(cells_NB4, space, spec)),
        "cells_stacked": network.cells_stacked,
        "build_seconds": cpu_seconds(lambda: build(sample, spec)),
        "network_cost_seconds": cpu_seconds(lambda: network_cost(sample, spec)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = measure()
    if arguments.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")


if __name__ == "__main__":
    main()
