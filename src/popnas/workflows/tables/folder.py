"""The folder of a table that is being built: a journal of its trainings, which goes on after interruptions.

It is no run's folder: a search cannot be resumed in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from popnas.evaluation import Curve
from popnas.evaluators.table.stored import NAME
from popnas.records import Json, Record
from popnas.runs.folder import DATA_PATH
from popnas.runs.journal import Event
from popnas.workflows.tables.journal_folder import JournalFolder
from popnas.workflows.tables.request import TableRequest

VERSION = 1


@dataclass(frozen=True)
class Started(Record):
    """The first event's content."""

    version: int
    config: Json
    request: TableRequest
    command: str


@dataclass(frozen=True)
class Trained(Record):
    """One training's content."""

    cell: str
    repetition: int
    seed: int
    curve: Curve


@dataclass
class Built:
    """What the journal says: how the building was started, the data's facts and where they were found last,
    the trainings by cell and repetition, and what all events told beside (`volatile`) in order."""

    started: Started
    data: Json | None = None
    data_path: str | None = None
    trained: dict[tuple[str, int], Curve] = field(default_factory=dict)
    volatile: list[Json] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        """Take one more event; of two of a training the first counts."""
        self.volatile.append(event.volatile)
        if isinstance(place := event.volatile.get(DATA_PATH), str):
            self.data_path = place
        if event.event == "data":
            self.data = self.data or event.content
        elif event.event == "trained":
            found = Trained.from_json(event.content)
            self.trained.setdefault((found.cell, found.repetition), found.curve)


class BuildFolder(JournalFolder[Built]):
    """Its table, and what every such folder has."""

    place, first, version = "build", "table_started", VERSION
    begun, kept = "`popnas bench build` began a table", "tables being built"

    @property
    def table(self) -> Path:
        """The table, once it is whole."""
        return self.path / NAME

    def of_start(self, event: Event) -> Built:
        """See `JournalFolder`."""
        return Built(Started.from_json(event.content))

    def apply(self, done: Built, event: Event) -> None:
        """See `JournalFolder`."""
        done.apply(event)
