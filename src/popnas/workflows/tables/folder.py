"""The folder of a table that is being built: a journal of its trainings, which goes on after interruptions.

It is no run's folder: a search cannot be resumed in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from popnas import files
from popnas.errors import JournalError, RunFolderError
from popnas.evaluation import Curve
from popnas.records import FormError, Json, Record
from popnas.runs.journal import Event, Journal, damaged_event
from popnas.runs.lock import RunLock
from popnas.storage import storage_errors
from popnas.workflows.tables.request import TableRequest

VERSION = 1
_BUILD = "build"


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
    """What the journal says: how the building was started, the data's facts, the trainings by cell and
    repetition, and what all events told beside (`volatile`) in order."""

    started: Started
    data: Json | None = None
    trained: dict[tuple[str, int], Curve] = field(default_factory=dict)
    volatile: list[Json] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        """Take one more event; of two of a training the first counts."""
        self.volatile.append(event.volatile)
        if event.event == "data":
            self.data = self.data or event.content
        elif event.event == "trained":
            found = Trained.from_json(event.content)
            self.trained.setdefault((found.cell, found.repetition), found.curve)


class BuildFolder:
    """Its paths, its lock and its journal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def table(self) -> Path:
        """The table, once it is whole."""
        return self.path / "table.npz"

    @property
    def debug_log(self) -> Path:
        """What workers print."""
        return self.path / "debug.log"

    @cached_property
    def journal(self) -> Journal:
        """Append only while the lock is held."""
        return Journal(self.path / _BUILD / "journal.jsonl")

    def lock(self) -> RunLock:
        """Keeps a second process out."""
        return RunLock(self.path / _BUILD / "lock")

    def make(self) -> None:
        """Make the folder.

        Raises:
            RunFolderError: something is there already.
            StorageError: the disk refused.
        """
        with storage_errors(self.path):
            try:
                (self.path / _BUILD).mkdir(parents=True)
            except FileExistsError:
                raise RunFolderError(f"{self.path} exists already: choose another `name`.") from None

    def start(self, started: Started, volatile: Mapping[str, str]) -> None:
        """Write the first event, if there is none yet; the lock is held."""
        if not files.is_named(self.journal.path) or not self.journal.events():
            self.journal.append("table_started", dict(started.to_json()), dict(volatile))

    def read(self) -> Built:
        """What the journal says.

        Raises:
            RunFolderError: no table is being built there, or by another version.
            JournalError: the journal is damaged.
        """
        if not files.is_named(self.journal.path):
            raise RunFolderError(
                f"{self.path} is no folder in which `popnas bench build` began a table"
                + (": it does not exist." if not files.exists(self.path) else ".")
            )
        events = self.journal.events()
        if not events or events[0].event != "table_started":
            raise RunFolderError(
                f"{self.journal.path} does not begin with 'table_started': nothing is trained there yet. "
                "Start again with another `name`."
            )
        if events[0].content.get("version") != VERSION:
            raise RunFolderError(
                f"{self.path} was written in version {events[0].content.get('version')!r} of the format of "
                f"tables being built; this popnas goes on with version {VERSION}."
            )
        return self._replayed(events)

    def _replayed(self, events: list[Event]) -> Built:
        event = events[0]
        try:
            built = Built(Started.from_json(event.content))
            for event in events:
                built.apply(event)
        except FormError as error:
            raise self._damaged(event, error) from error
        return built

    def _damaged(self, event: Event, error: Exception) -> JournalError:
        return damaged_event(self.journal.path, event, error)
