"""The journal: one JSON object a line, `{seq, event, content, volatile}`, appended and fsynced.

`seq` is the line's number, from 1. An append that was cut short (kill -9, power loss, full disk) leaves a
damaged end of the file: it is skipped on reading and cut off before the next append. A last event that lacks
only its newline counts: an object cannot be the beginning of a longer one. Damage that is followed by a whole
event cannot come from a cut append and is refused.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas.errors import JournalError, RunFolderError
from popnas.runs.storage import fsync, fsync_directory, plain, storage_errors

FORMAT = 1
"""Version of the journal and of the run folder; it stands in the first event."""


STOPPED = frozenset({"max_hours"})
"""Reasons in `run_finished` after which a run may go on; any other reason is final."""

RESUMING = frozenset({"proposals", "evaluation", "run_resumed"})
"""Events that show that a run stopped by a limit goes on."""

_KEYS = {"seq", "event", "content", "volatile"}


@dataclass(frozen=True)
class Event:
    """What happened. `content` is equal in two equal runs, `volatile` (clocks, hosts) need not be."""

    seq: int
    event: str
    content: dict[str, Any]
    volatile: dict[str, Any]

    def line(self) -> bytes:
        """The line as it is written."""
        fields = {"seq": self.seq, "event": self.event, "content": self.content, "volatile": self.volatile}
        return json.dumps(fields, allow_nan=False, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class _Scan:
    events: list[Event]
    end: int
    """Bytes up to the end of the last whole event."""
    has_newline: bool
    """Whether that event ends with a newline."""
    damaged: int
    """Bytes after it that are no event."""


class Journal:
    """An append-only file of events. Only the holder of `RunFolder.lock` may append; anyone may read."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._handle: int | None = None
        self._end = 0
        self._next_seq = 1
        self._is_dirty = False

    def events(self) -> list[Event]:
        """All whole events, in order.

        Raises:
            JournalError: damage before the last event, with its line number.
            RunFolderError: written by another version of the format, missing or unreadable.
        """
        return self._scan().events

    def damaged_bytes(self) -> int:
        """Size of the cut-off append at the end (0 if there is none), which the next append removes."""
        return self._scan().damaged

    def append(self, event: str, content: dict[str, Any], volatile: dict[str, Any] | None = None) -> Event:
        """Write one event and wait until it is on disk. Non-finite numbers become null.

        Returns:
            The event exactly as a later reading gives it.

        Raises:
            StorageError: the disk refused; the journal stays valid and the append may be repeated later.
        """
        if self._handle is None:
            self._open()
        handle = self._handle
        assert handle is not None
        record = Event(self._next_seq, event, plain(content), plain(volatile or {}))
        line = record.line()
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
        self._end += len(line)
        self._next_seq += 1
        return record

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
        scan = _Scan([], 0, True, 0) if is_new else self._scan()
        if scan.damaged and not scan.events:
            raise _corrupt(self.path, 1, "is not an event")  # perhaps no journal at all: cut nothing
        with storage_errors(self.path):
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                if is_new:
                    fsync_directory(self.path.parent)
                if scan.damaged:
                    os.ftruncate(handle, scan.end)
                if not scan.has_newline:
                    _write_all(handle, b"\n")
                fsync(handle)
            except OSError:
                os.close(handle)
                raise
        self._handle = handle
        self._end = scan.end + (0 if scan.has_newline else 1)
        self._next_seq = len(scan.events) + 1
        self._is_dirty = False

    def _cut(self, handle: int) -> None:
        os.ftruncate(handle, self._end)
        self._is_dirty = False

    def _cut_if_possible(self, handle: int) -> None:
        try:
            self._cut(handle)
        except OSError:
            self._is_dirty = True  # readers skip the damaged end; the next append tries again

    def _scan(self) -> _Scan:
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise RunFolderError(f"cannot read the journal {self.path}: {error.strerror or error}") from error
        return _scan(data, self.path)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _scan(data: bytes, path: Path) -> _Scan:
    events: list[Event] = []
    end = 0
    position = 0
    has_newline = True
    damaged_line: int | None = None
    for number, line in enumerate(data.split(b"\n"), start=1):
        next_position = min(position + len(line) + 1, len(data))
        if line or next_position > position:
            event = _parse(line)
            if event is None:
                damaged_line = damaged_line or number
            elif damaged_line is not None:
                raise _corrupt(path, damaged_line, "is not a whole event, yet whole events follow it")
            elif event.seq != len(events) + 1:
                raise _corrupt(path, number, f"has seq {event.seq} where {len(events) + 1} was expected")
            else:
                _check_format(path, event)
                events.append(event)
                end = next_position
                has_newline = data[next_position - 1 : next_position] == b"\n"
        position = next_position
    return _Scan(events, end, has_newline, len(data) - end)


def _parse(line: bytes) -> Event | None:
    """The event on a line, or None if the line is damaged."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    if not isinstance(fields, dict) or not fields.keys() >= _KEYS:
        return None
    seq, event, content, volatile = fields["seq"], fields["event"], fields["content"], fields["volatile"]
    is_typed = (
        type(seq) is int
        and isinstance(event, str)
        and isinstance(content, dict)
        and isinstance(volatile, dict)
    )
    return Event(seq, event, content, volatile) if is_typed else None


def damaged_event(path: Path | None, event: Event, error: Exception) -> JournalError:
    """The error for a whole event whose content makes no sense; `error` says why."""
    why = f"(an event '{event.event}') cannot be used ({error})"
    return _corrupt(path or Path("the journal"), event.seq, why)


def _corrupt(path: Path, number: int, what: str) -> JournalError:
    if number == 1:
        remedy = "start a new run"
    else:
        remedy = (
            f"keep only the lines before line {number} and resume with -r (what came later is done again)"
        )
    return JournalError(
        f"{path}, line {number} {what}: the journal was changed or damaged outside popnas. "
        f"Put back a copy of the file, or {remedy}."
    )


def _check_format(path: Path, event: Event) -> None:
    if event.event != "run_started" or event.content.get("version") == FORMAT:
        return
    writer = event.volatile.get("popnas", "its version is not recorded")
    raise RunFolderError(
        f"{path} was written in version {event.content.get('version')!r} of the run folder's format; this "
        f"popnas reads version {FORMAT}. Use the popnas that wrote it ({writer}), or start a new run."
    )
