"""The folder of a comparison: a journal of its trials, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from popnas.records import Json, Record
from popnas.runs.journal import Event
from popnas.workflows.tables.comparing.request import CompareRequest
from popnas.workflows.tables.comparing.trial import Trial, Tried
from popnas.workflows.tables.journal_folder import JournalFolder

VERSION = 1


@dataclass(frozen=True)
class ComparisonStarted(Record):
    """The first event's content. `table`: the file, `facts`: what its evaluator says to know it again."""

    version: int
    table: str
    facts: Json
    request: CompareRequest


@dataclass(frozen=True)
class TrialDone(Record):
    """One trial's content."""

    trial: Trial
    tried: Tried


@dataclass
class Compared:
    """What the journal says: how the comparison was started, and by the trial's name what was tried."""

    started: ComparisonStarted
    tried: dict[str, Tried] = field(default_factory=dict)


class ComparisonFolder(JournalFolder[Compared]):
    """Its files, and what every such folder has."""

    place, first, version = "comparison", "comparison_started", VERSION
    begun, kept = "`popnas bench compare` began a comparison", "comparisons"

    @property
    def result(self) -> Path:
        """All figures as JSON."""
        return self.path / "comparison.json"

    @property
    def csv(self) -> Path:
        """Every curve, a row for each of its points."""
        return self.path / "curves.csv"

    def curves(self, kind: str) -> Path:
        """The plots, as a file of that kind."""
        return self.path / f"curves.{kind}"

    def of_start(self, event: Event) -> Compared:
        """See `JournalFolder`."""
        return Compared(ComparisonStarted.from_json(event.content))

    def apply(self, done: Compared, event: Event) -> None:
        """See `JournalFolder`; of two events of a trial the first counts."""
        if event.event == "tried":
            found = TrialDone.from_json(event.content)
            done.tried.setdefault(found.trial.name, found.tried)
