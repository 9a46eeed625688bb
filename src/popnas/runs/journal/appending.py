"""`Journal`: the file as the search appends to it, and as all read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from popnas.command_lines import as_typed
from popnas.errors import RunMovedError
from popnas.printable import quoted
from popnas.runs.journal import ending
from popnas.runs.journal.lines import BEGIN, Event, Scan, corrupt, sum_of
from popnas.runs.journal.reading import Reader
from popnas.storage import fsync, fsync_directory, plain, storage_errors


def moved(folder: Path) -> RunMovedError:
    """The folder of a run under way is gone from its place."""
    return RunMovedError(
        f"{quoted(folder)} was moved or removed while it was worked on, so the work ends here. All that was "
        "finished is in the folder, wherever it is now: go on there with "
        f"`{as_typed('search', '-r', 'ITS_NEW_PLACE')}`."
    )


class Journal:
    """An append-only file of events. Only the holder of `RunFolder.lock` may append; anyone may read."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._reader = Reader(self.path)
        self._handle: int | None = None
        self._end = BEGIN  # of what is appended
        self._is_dirty = False

    def events(self) -> list[Event]:
        """All whole events, in order.

        Raises:
            JournalError: damage before the last event, with its line number.
            RunFolderError: written by another version of the format, missing or unreadable.
        """
        return self.scan().events

    def damaged_bytes(self) -> int:
        """Size of the cut-off append at the end (0 if there is none), which the next append removes."""
        return self.scan().damaged

    def scan(self) -> Scan:
        """What stands in the file; errors as for `events`."""
        return Reader(self.path).read()

    def news(self, most: int | None = None) -> Scan:
        """What came since this was called last (all, where `Scan.start` is the beginning), or about `most`
        bytes of it; errors as for `events`."""
        return self._reader.read(most)

    @property
    def is_behind(self) -> bool:
        """Whether `news` was asked for a piece and left something."""
        return self._reader.is_behind

    @property
    def end(self) -> int:
        """Bytes of the file up to the end of the last whole event, as `news` found it."""
        return self._reader.end

    def append(self, event: str, content: dict[str, Any], volatile: dict[str, Any] | None = None) -> Event:
        """Write one event and wait until it is on disk. Non-finite numbers become null.

        Returns:
            The event exactly as a later reading gives it.

        Raises:
            StorageError: the disk refused; the journal stays valid and the append may be repeated later.
            RunMovedError: the journal that is open is no longer in its place.
        """
        if self._handle is None:
            self._open()
        handle = self._handle
        assert handle is not None
        record = Event(self._end.num_lines + 1, event, plain(content), plain(volatile or {}), is_proven=True)
        line = record.line(self._end.last_sum)
        self.check_place()
        with storage_errors(self.path):
            if self._is_dirty:
                self._cut(handle)
            self._is_dirty = True
            try:
                _write_all(handle, line)
                fsync(handle)
            except OSError:
                self._cut_if_possible(handle)
                raise
            self._is_dirty = False
        self._end = self._end.behind(line[:-1], sum_of(line[:-1]))
        ending.write(self.path, self._end.note)
        return record

    def check_place(self) -> None:
        """Before anything is written into the run folder: one that was moved or removed takes its open
        journal along, and what is written by its old name from then on would be beside it, where nobody
        finds it.

        Raises:
            RunMovedError: the journal that is open is no longer in its place.
        """
        if self._handle is None:
            return
        with storage_errors(self.path):
            try:
                is_here = os.path.samestat(self.path.stat(), os.fstat(self._handle))
            except FileNotFoundError:
                is_here = False
        if not is_here:
            raise moved(self.path.parent.parent)

    def close(self) -> None:
        """Close the file; a later append opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _open(self) -> None:
        is_new = not self.path.exists()
        # What was read and proven before is not read again.
        found = None if is_new else Reader(self.path, self._reader.position).read()
        if found is not None and found.damaged and not found.num_lines:
            raise corrupt(self.path, 1, "is not an event")  # perhaps no journal at all: cut nothing
        with storage_errors(self.path):
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                if found is None:
                    fsync_directory(self.path.parent)
                else:
                    _end_last_line(handle, found)
                fsync(handle)
            except OSError:
                os.close(handle)
                raise
        self._handle = handle
        self._end = BEGIN if found is None else found.last_with_newline
        self._is_dirty = False

    def _cut(self, handle: int) -> None:
        os.ftruncate(handle, self._end.offset)
        self._is_dirty = False

    def _cut_if_possible(self, handle: int) -> None:
        try:
            self._cut(handle)
        except OSError:
            self._is_dirty = True  # readers skip the damaged end; the next append tries again


def _end_last_line(handle: int, found: Scan) -> None:
    """Cut off what is no event, and write the newline that the last one may lack."""
    if found.damaged:
        os.ftruncate(handle, found.end)
    if not found.has_newline:
        _write_all(handle, b"\n")


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
