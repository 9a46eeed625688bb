"""Whether the driver of a search, or a worker, grows with the candidates that it has seen.

    python benchmarks/bench_many_candidates.py [--candidates 5000] [--workers 2]

A whole search in a run folder over worker processes, with candidates that train nothing (`stub_evaluator`):
the empty cell, 136 of one block, the others of two. Memory is the proportional set size (Linux) of each
process, at every 50th candidate; growth is that of the highest over what it was at the 100th. Between the
first and the second step predictors are loaded and fitted, which is in the driver's growth. At most 100 MiB
are demanded of each process.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from unittest import mock

import stub_evaluator
from bench_shared_data import MIB, memory, processes
from popnas.events import CandidateFinished, JobEvent
from popnas.workflows.searching import finish
from popnas.workflows.searching.search import search

FIRST, EVERY, DEMANDED_MIB = 100, 50, 100


class Growth:
    """Listens to a search; by process what it had at the `first` candidate and at most since then, in
    bytes."""

    def __init__(self, first: int = FIRST, every: int = EVERY) -> None:
        self.first, self.every = first, every
        self.num_candidates = 0
        self.at_first: dict[str, int] = {}
        self.highest: dict[str, int] = {}

    def __call__(self, event: JobEvent) -> None:
        """Look at all processes, now and then."""
        if not isinstance(event, CandidateFinished):
            return
        self.num_candidates += 1
        if self.num_candidates < self.first or (self.num_candidates - self.first) % self.every:
            return
        found = {process.name: memory(process) for process in processes()}
        if self.num_candidates == self.first:
            self.at_first = found
        self.highest = {name: max(size, self.highest.get(name, 0)) for name, size in found.items()}

    @property
    def bytes(self) -> dict[str, int]:
        """By process, "driver" or the number of a worker's process."""
        own = str(os.getpid())
        return {
            "driver" if name == own else name: self.highest[name] - size
            for name, size in self.at_first.items()
        }


def searched(num_candidates: int, num_workers: int, logs: Path, growth: Growth) -> Growth:
    """After a search of so many candidates; views of what was found are not made."""
    children = num_candidates - 1 - stub_evaluator.NUM_SINGLES
    config = stub_evaluator.config_of(children, "processes", num_workers)
    with stub_evaluator.registered(), mock.patch.object(finish, "views", lambda *_: None):
        search(config, name="run", logs=logs, tell=growth)
    return growth


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as logs:
        growth = searched(arguments.candidates, arguments.workers, Path(logs), Growth())
    print(f"{growth.num_candidates:,} candidates, {arguments.workers} workers")
    for name, grown in growth.bytes.items():
        first = growth.at_first[str(os.getpid()) if name == "driver" else name]
        what = name if name == "driver" else "worker"
        print(
            f"{what}: {first / MIB:.1f} MiB at candidate {FIRST}, then {grown / MIB:+.1f} MiB at most "
            f"(at most {DEMANDED_MIB} are demanded)"
        )


if __name__ == "__main__":
    main()
