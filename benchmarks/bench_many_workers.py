"""How busy one driver keeps a thousand workers.

    python benchmarks/bench_many_workers.py [--workers 1000] [--candidates 5000]

A whole search in a run folder: the empty cell, 136 cells of one block, then so many of two, which pretend to
train for 60 s each (log-normal, by 30 % more or less; 136 and 1 cannot keep more workers busy). Steps,
predictors, journal on disk, time left and the executor for Ray are those of any search; the cluster is
`virtual_cluster`, in whose clock the driver's own time passes as it does, waiting for the disk included.

- `busy while some wait`: in the last step, from the first candidate that is handed out to the last one. More
  than 90 % are demanded.
- `busy`: to the end of that step, when fewer candidates are left than there are workers; `at best`, if the
  driver took no time at all.
- `driver`: its milliseconds for each candidate of the whole search, steps' predictors among them; what is
  charged for Ray's own work is not in it.
"""

from __future__ import annotations

import argparse
import heapq
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import stub_evaluator
from popnas.executors._ray import actors, connection
from popnas.workflows.searching import finish
from popnas.workflows.searching.search import search
from virtual_cluster import Busy, VirtualCluster

DEMANDED = 0.9


def searched(num_workers: int, num_candidates: int, logs: Path) -> VirtualCluster:
    """The cluster after a search over it; views of what was found are not made."""
    cluster = VirtualCluster(num_workers)
    config = stub_evaluator.config_of(num_candidates, "ray", num_workers)
    with (
        stub_evaluator.registered(),
        mock.patch.object(actors, "connected", lambda: cluster),
        mock.patch.object(connection, "connected", lambda: cluster),
        mock.patch.object(connection, "answers", lambda place: True),
        mock.patch.object(finish, "views", lambda *_: None),
    ):
        search(config, name="run", logs=logs)
    return cluster


def last_step(cluster: VirtualCluster) -> list[Busy]:
    """The evaluations of cells of two blocks."""
    return cluster.evaluations[1 + stub_evaluator.NUM_SINGLES :]


def busy(evaluations: Sequence[Busy], num_workers: int, until: float) -> float:
    """The share of the workers' time, from the first start on, in which they evaluate."""
    start = min(item.start for item in evaluations)
    spent = sum(min(item.end, until) - item.start for item in evaluations)
    return spent / (num_workers * (until - start))


def at_best(evaluations: Sequence[Busy], num_workers: int) -> float:
    """As `busy` to the end, if each candidate began where the one before it ended."""
    free = [0.0] * num_workers
    for item in evaluations:
        heapq.heapreplace(free, free[0] + item.end - item.start)
    return sum(item.end - item.start for item in evaluations) / (num_workers * max(free))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=5000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as logs:
        cluster = searched(arguments.workers, arguments.candidates, Path(logs))
    found = last_step(cluster)
    last_start, end = max(item.start for item in found), max(item.end for item in found)
    waiting = busy(found, arguments.workers, last_start)
    print(f"{len(found):,} candidates of two blocks, {arguments.workers:,} workers")
    print(f"busy while some wait: {100 * waiting:.1f} % (more than {100 * DEMANDED:.0f} are demanded)")
    print(
        f"busy: {100 * busy(found, arguments.workers, end):.1f} %; "
        f"at best: {100 * at_best(found, arguments.workers):.1f} %"
    )
    print(f"driver: {1e3 * cluster.driver_seconds / len(cluster.evaluations):.1f} ms a candidate")


if __name__ == "__main__":
    main()
