"""The folder of searches over NAS-Bench-201: the figures, a folder for each run, and a journal of those that
have ended, which goes on after interruptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from popnas.records import Record
from popnas.runs.journal import Event
from popnas.workflows.tables.journal_folder import JournalFolder
from popnas.workflows.tables.request import BenchmarkRequest

VERSION = 1


@dataclass(frozen=True)
class BenchmarkStarted(Record):
    """The first event's content; `sha256`: of the figures."""

    version: int
    request: BenchmarkRequest
    sha256: str


@dataclass(frozen=True)
class BenchmarkRun(Record):
    """One search: its folder below that of all, how many architectures it looked up, the seconds of training
    that it would have taken, and its best one: official number, text, the validation score that it was chosen
    by, test accuracy after 200 epochs (0..100)."""

    folder: str
    seed: int
    queries: int
    training_seconds: float
    index: int
    architecture: str
    validation: float
    test: float


@dataclass
class Benchmarked:
    """What the journal says: how the searches were started, and by seed those that have ended."""

    started: BenchmarkStarted
    runs: dict[int, BenchmarkRun] = field(default_factory=dict)


class BenchmarkFolder(JournalFolder[Benchmarked]):
    """Its files, and what every such folder has."""

    place, first, version = "benchmark", "benchmark_started", VERSION
    begun, kept = "`popnas bench nasbench201` began searches", "searches of NAS-Bench-201"

    @property
    def table(self) -> Path:
        """The figures."""
        return self.path / "nasbench201.npz"

    @property
    def result(self) -> Path:
        """What all runs came to, as JSON."""
        return self.path / "benchmark.json"

    def of_start(self, event: Event) -> Benchmarked:
        """See `JournalFolder`."""
        return Benchmarked(BenchmarkStarted.from_json(event.content))

    def apply(self, done: Benchmarked, event: Event) -> None:
        """See `JournalFolder`; of two events of a run the first counts."""
        if event.event == "run":
            found = BenchmarkRun.from_json(event.content)
            done.runs.setdefault(found.seed, found)
