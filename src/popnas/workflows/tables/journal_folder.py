"""The folder of a job over tables: its lock, and a journal of what is done, so that it goes on after any
interruption. It is no run's folder: a search cannot be resumed in it.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from popnas import files
from popnas.errors import PopnasError, RunFolderError
from popnas.printable import quoted
from popnas.records import FormError, Json
from popnas.runs.journal import Event, Journal, damaged_event
from popnas.runs.lock import RunLock
from popnas.storage import storage_errors

Done = TypeVar("Done")


class JournalFolder(ABC, Generic[Done]):
    """Its paths, its lock and its journal.

    Attributes:
        place: the folder below, in which journal and lock lie.
        first: the name of the journal's first event, whose content has a `version`.
        version: of the journal's content, as this popnas writes and reads it.
        begun: what lies there, as words after "no folder in which".
        kept: what is written there, as words before "being ...".
    """

    place: ClassVar[str]
    first: ClassVar[str]
    version: ClassVar[int]
    begun: ClassVar[str]
    kept: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def debug_log(self) -> Path:
        """What workers print."""
        return self.path / "debug.log"

    @cached_property
    def journal(self) -> Journal:
        """Append only while the lock is held."""
        return Journal(self.path / self.place / "journal.jsonl")

    def lock(self) -> RunLock:
        """Keeps a second process out."""
        return RunLock(self.path / self.place / "lock")

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make the folder, and hold its lock while the block runs. If that ends without a first event on the
        disk, nothing is done yet, and the name is free again.

        Raises:
            RunFolderError: something is there already.
            StorageError: the disk refused.
        """
        was_there = self.path.is_dir()
        with storage_errors(self.path):
            try:
                (self.path / self.place).mkdir(parents=True)
            except FileExistsError:
                raise RunFolderError(f"{quoted(self.path)} exists already: choose another `name`.") from None
        try:
            with self.lock():
                yield
        except BaseException:
            if not self._is_begun():
                shutil.rmtree(self.path / self.place if was_there else self.path, ignore_errors=True)
            raise

    def _is_begun(self) -> bool:
        try:
            return files.is_named(self.journal.path) and len(self.journal.events()) > 0
        except PopnasError:  # whatever lies there is not removed
            return True

    def start(self, content: Json, volatile: Mapping[str, str]) -> None:
        """Write the first event; the lock is held."""
        self.journal.append(self.first, dict(content), dict(volatile))

    def read(self) -> Done:
        """What the journal says.

        Raises:
            RunFolderError: nothing such was begun there, or by another version.
            JournalError: the journal is damaged.
        """
        if not files.is_named(self.journal.path):
            raise RunFolderError(
                f"{quoted(self.path)} is no folder in which {self.begun}"
                + (": it does not exist." if not files.exists(self.path) else ".")
            )
        events = self.journal.events()
        if not events or events[0].event != self.first:
            raise RunFolderError(
                f"{quoted(self.journal.path)} does not begin with '{self.first}': nothing is done there yet. "
                "Start again with another `name`."
            )
        if events[0].content.get("version") != self.version:
            raise RunFolderError(
                f"{quoted(self.path)} was written in version {events[0].content.get('version')!r} of the "
                f"format of {self.kept}; this popnas goes on with version {self.version}."
            )
        return self._replayed(events)

    def _replayed(self, events: list[Event]) -> Done:
        event = events[0]
        try:
            done = self.of_start(event)
            for event in events:
                self.apply(done, event)
        except FormError as error:
            raise damaged_event(self.journal.path, event, error) from error
        return done

    @abstractmethod
    def of_start(self, event: Event) -> Done:
        """What the first event says; raises FormError."""

    @abstractmethod
    def apply(self, done: Done, event: Event) -> None:
        """Take an event, the first one among them; raises FormError."""
