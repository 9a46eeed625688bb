"""The folder of a comparison: a journal of its trials, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from popnas import files
from popnas.records import Json, Record
from popnas.runs.journal import Event
from popnas.workflows.tables.comparing.request import CompareRequest
from popnas.workflows.tables.comparing.trial import Trial, Tried
from popnas.workflows.tables.journal_folder import JournalFolder

VERSION = 1
TABLE_PATH = "table_path"
"""Where the table is now, in the volatile part of the event that says that it was moved."""


@dataclass(frozen=True)
class ComparisonStarted(Record):
    """The first event's content. `table`: the file, by its name alone if it lies in the folder; `facts`: what
    its evaluator says to know it again."""

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
    """What the journal says: how the comparison was started, where its table was found last, and by the
    trial's name what was tried."""

    started: ComparisonStarted
    table: str
    tried: dict[str, Tried] = field(default_factory=dict)


class ComparisonFolder(JournalFolder[Compared]):
    """Its files, and what every such folder has."""

    place, first, version = "comparison", "comparison_started", VERSION
    begun, kept = "`popnas bench compare` began a comparison", "comparisons"

    def table(self, done: Compared) -> Path:
        """Its table. Folders are moved with the tables in them."""
        place = self.path / done.table
        own = self.path / place.name
        return own if files.exists(own) and not files.exists(place) else place

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
        started = ComparisonStarted.from_json(event.content)
        return Compared(started, started.table)

    def apply(self, done: Compared, event: Event) -> None:
        """See `JournalFolder`; of two events of a trial the first counts."""
        if event.event == "tried":
            found = TrialDone.from_json(event.content)
            done.tried.setdefault(found.trial.name, found.tried)
        elif isinstance(place := event.volatile.get(TABLE_PATH), str):
            done.table = place
