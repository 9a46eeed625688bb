"""The journal: one JSON object a line, `{seq, event, content, volatile, after, sha256}`, on disk before use.

`seq` is the line's number, from 1. `sha256` is a checksum of the line up to it, and `after` repeats that of
the line before: so a line that was changed, is missing, stands twice or was moved is noticed, and refused
with its number (`repair` keeps the lines before it). Lines of popnas 0.1.0 have neither; they are read
without proof, and what is appended to them proves them as they were then.

An append that was cut short (kill -9, power loss, full disk) leaves a last line without its newline: it is
passed over, with a word to the user, and cut off before the next append. A last event that lacks only its
newline counts. How far the journal was written stands beside it (`ending`): lines that are missing at its end
are told, too.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas import files
from popnas.command_lines import as_typed
from popnas.errors import JournalError, RunFolderError, RunMovedError
from popnas.runs import ending
from popnas.storage import fsync, fsync_directory, plain, storage_errors

FORMAT = 1
"""Version of the journal and of the run folder; it stands in the first event."""


STOPPED = frozenset({"max_hours"})
"""Reasons in `run_finished` after which a run may go on; any other reason is final."""

REASONS = STOPPED | {"completed", "no_parents", "no_candidates"}
"""All reasons."""

RESUMING = frozenset({"proposals", "evaluation", "run_resumed"})
"""Events that show that a run stopped by a limit goes on."""

_KEYS = {"seq", "event", "content", "volatile"}
_KINDS = frozenset(
    {"run_started", "data", "proposals", "evaluation", "operator_costs", "predictions", "step_finished"}
    | {"confirmation", "run_resumed", "run_finished"}
)
"""Kinds of events of popnas 0.1.0, whose lines have no checksum that would notice another."""
_PROVEN_KEYS = _KEYS | {"after", "sha256"}
_DIGITS = 32
_SUM = b',"sha256":"'
_SUM_LENGTH = len(_SUM) + _DIGITS + 2


@dataclass(frozen=True)
class Event:
    """What happened. `content` is equal in two equal runs, `volatile` (clocks, hosts) need not be."""

    seq: int
    event: str
    content: dict[str, Any]
    volatile: dict[str, Any]

    def json(self) -> bytes:
        """As JSON, without the line's proof."""
        fields = {"seq": self.seq, "event": self.event, "content": self.content, "volatile": self.volatile}
        return json.dumps(fields, allow_nan=False, separators=(",", ":")).encode()

    def line(self, after: str) -> bytes:
        """The line as it is written, after one of the checksum `after`."""
        start = self.json()[:-1] + b',"after":"' + after.encode() + b'"'
        return start + _SUM + checksum(start).encode() + b'"}\n'


def checksum(data: bytes) -> str:
    """The checksum of a line."""
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


@dataclass(frozen=True)
class Scan:
    """A journal as it was read."""

    events: list[Event]
    sums: list[str]
    """The checksum of every event."""
    end: int
    """Bytes up to the end of the last whole event."""
    has_newline: bool
    """Whether that event ends with a newline."""
    damaged: int
    """Bytes after it that are no event."""

    @property
    def num_unproven(self) -> int:
        """Lines without checksums, at the beginning."""
        return sum(not _is_proven(line_sum) for line_sum in self.sums)

    def plain_sum(self, number: int) -> str:
        """The checksum of line `number`, from 1, as later lines and files name it."""
        return self.sums[number - 1].lstrip(_UNPROVEN)

    @property
    def first_sum(self) -> str | None:
        """The checksum by which the run is known; None of an empty journal."""
        return self.plain_sum(1) if self.sums else None

    @property
    def last_sum(self) -> str:
        """What the next line has as its `after`."""
        return self.plain_sum(len(self.sums)) if self.sums else checksum(b"")

    @property
    def note(self) -> ending.Note:
        """What stands beside it when it was written whole; of a journal that is not empty."""
        assert self.first_sum is not None
        return ending.Note(len(self.sums), self.first_sum, self.last_sum)


def moved(folder: Path) -> RunMovedError:
    """The folder of a run under way is gone from its place."""
    return RunMovedError(
        f"{folder} was moved or removed while it was worked on, so the work ends here. All that was finished "
        f"is in the folder, wherever it is now: go on there with "
        f"`{as_typed('search', '-r', 'ITS_NEW_PLACE')}`."
    )


class Journal:
    """An append-only file of events. Only the holder of `RunFolder.lock` may append; anyone may read."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._handle: int | None = None
        self._end = 0
        self._next_seq = 1
        self._first_sum: str | None = None
        self._last_sum = ""
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
        record = Event(self._next_seq, event, plain(content), plain(volatile or {}))
        line = record.line(self._last_sum)
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
        self._end += len(line)
        self._next_seq += 1
        self._last_sum = line[-_DIGITS - 3 : -3].decode()
        self._first_sum = self._first_sum or self._last_sum
        ending.write(self.path, ending.Note(record.seq, self._first_sum, self._last_sum))
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
        scan = Scan([], [], 0, True, 0) if is_new else self.scan()
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
        self._first_sum, self._last_sum = scan.first_sum, scan.last_sum
        self._is_dirty = False

    def _cut(self, handle: int) -> None:
        os.ftruncate(handle, self._end)
        self._is_dirty = False

    def _cut_if_possible(self, handle: int) -> None:
        try:
            self._cut(handle)
        except OSError:
            self._is_dirty = True  # readers skip the damaged end; the next append tries again

    def scan(self) -> Scan:
        """What stands in the file; errors as for `events`."""
        return scan(read(self.path), self.path)


def read(path: Path, *, may_be_link: bool = False) -> bytes:
    """The content of a journal's file.

    Raises:
        RunFolderError: it is no file, cannot be read, or is a link: what is appended would go elsewhere.
    """
    if path.is_symlink() and files.exists(path) and not may_be_link:
        raise RunFolderError(
            f"the journal {path} is a link to {os.path.realpath(path)}: lines are appended to it, so it must "
            f"be a file of the run's own. Put a copy in the link's place with: {_repair_command(path)}"
        )
    try:
        return files.read_bytes(path)
    except OSError as error:
        raise RunFolderError(
            f"cannot read the journal {path}: {files.reason(error)}. Put back a copy of the file, or make it "
            "readable for this user."
        ) from error


def plain_form(data: bytes) -> tuple[bytes, str | None]:
    """A journal's bytes as popnas writes them (UTF-8, LF), and what an editor, a shell or a copy in text mode
    made of them, in words; None if nothing. No line loses anything: they hold ASCII only."""
    encoding = next((name for begin, name in _ENCODINGS if data.startswith(begin)), None)
    text, found = data, list[str]()
    if encoding is not None:
        try:
            text = data.decode(encoding).encode()
        except UnicodeDecodeError:
            return data, None
        begins = "begins with a byte order mark" if encoding == "utf-8-sig" else "is UTF-16 text"
        found.append(begins)
    if 0 < text.count(b"\n") == text.count(b"\r\n"):
        text = text.replace(b"\r\n", b"\n")
        found.append("has line ends of Windows (CR LF)")
    return (text, " and ".join(found)) if found else (data, None)


_ENCODINGS = (
    (b"\xef\xbb\xbf{", "utf-8-sig"),
    (b"\xff\xfe{\0", "utf-16"),
    (b"\xfe\xff\0{", "utf-16"),
    (b'{\0"\0', "utf-16-le"),
    (b'\0{\0"', "utf-16-be"),
)
"""How a journal begins in each: one changed byte makes none of them."""


def _repair_command(path: Path) -> str:
    return as_typed("journal", path.parent.parent, "--repair")


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def scan(data: bytes, path: Path) -> Scan:
    """Read and prove the lines of a journal; `path` is for messages.

    Raises:
        JournalError, RunFolderError: as `Journal.events`.
    """
    form = plain_form(data)[1]
    if form is not None:
        raise JournalError(
            f"{path} {form}, as an editor or a copy in text mode leaves it. Its lines are as they were: "
            f"write them as popnas does with: {_repair_command(path)} (a copy as it is stays beside it)",
            1,
        )
    *lines, tail = data.split(b"\n")
    events: list[Event] = []
    sums: list[str] = []
    for number, line in enumerate(lines, start=1):
        _take(line, number, events, sums, path)
    end, has_newline = len(data) - len(tail), True
    for whole in (tail, tail[:-1]):  # the last event lacks its newline, or has something else in its place
        if whole.endswith(b"}"):
            try:
                _take(whole, len(events) + 1, events, sums, path)
            except JournalError:
                continue
            end, has_newline = end + len(whole), False
            break
    return Scan(events, sums, end, has_newline, len(data) - end)


def _take(line: bytes, number: int, events: list[Event], sums: list[str], path: Path) -> None:
    """Append the event on a line, and its checksum; nothing of a line that is refused.

    Raises:
        JournalError: it is none, was changed, or does not belong here.
    """
    found = _parse(line)
    own = _sum_of(line)
    before = sums[-1] if sums else checksum(b"")
    if found is None:
        raise _corrupt(path, number, "is not an event" if number == 1 else "is not a whole event")
    fields, event = found
    if own is None and (fields.keys() != _KEYS or (events and _is_proven(sums[-1]))):
        raise _corrupt(path, number, "has no checksum, or one that was changed")
    if own is None and event.event not in _KINDS:
        raise _corrupt(path, number, f"is an event of unknown kind: '{event.event}'")
    if own is not None and own != checksum(line[:-_SUM_LENGTH]):
        raise _corrupt(path, number, "was changed: it does not have its checksum")
    if event.seq != number:
        why = "lines before it are missing" if event.seq > number else "it stands twice, or was moved here"
        raise _corrupt(path, number, f"has seq {event.seq} where {number} was expected: {why}")
    if own is not None and fields.get("after") != before.lstrip(_UNPROVEN):
        raise _corrupt(
            path, number, "does not follow the lines that stand before it: one of them was changed"
        )
    if number == 1:
        _check_format(path, event)
    events.append(event)
    # Of a line without proof the sum covers all lines before it, so that the first line with one proves them.
    sums.append(own if own is not None else _UNPROVEN + checksum(before.encode() + line))


_UNPROVEN = "-"


def _is_proven(line_sum: str) -> bool:
    return not line_sum.startswith(_UNPROVEN)


def _sum_of(line: bytes) -> str | None:
    """The checksum that stands on a line; None on lines of popnas 0.1.0."""
    if line[-_SUM_LENGTH : -_DIGITS - 2] != _SUM or not line.endswith(b'"}'):
        return None
    return line[-_DIGITS - 2 : -2].decode("latin-1")


def _parse(line: bytes) -> tuple[dict[str, Any], Event] | None:
    """The fields of a line and its event, or None if the line is damaged."""
    try:
        fields = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    if not isinstance(fields, dict) or fields.keys() not in (_KEYS, _PROVEN_KEYS):
        return None
    seq, event, content, volatile = fields["seq"], fields["event"], fields["content"], fields["volatile"]
    is_typed = (
        type(seq) is int
        and isinstance(event, str)
        and isinstance(content, dict)
        and isinstance(volatile, dict)
    )
    return (fields, Event(seq, event, content, volatile)) if is_typed else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def damaged_event(path: Path | None, event: Event, error: Exception) -> JournalError:
    """The error for a whole event whose content makes no sense; `error` says why."""
    why = f"(an event '{event.event}') cannot be used ({error})"
    return _corrupt(path or Path("the journal"), event.seq, why)


def _corrupt(path: Path, number: int, what: str) -> JournalError:
    if number == 1:
        remedy = "start a new run"
    else:
        kept = "line 1" if number == 2 else f"lines 1 to {number - 1}"
        remedy = (
            f"keep {kept} with: {_repair_command(path)} (a copy of all is kept beside it, and -r does "
            "again what came later)"
        )
    return JournalError(
        f"{path}, line {number} {what}. The journal was changed or damaged outside popnas. "
        f"Put back a copy of the file, or {remedy}.",
        number,
    )


def _check_format(path: Path, event: Event) -> None:
    if event.event != "run_started" or event.content.get("version") == FORMAT:
        return
    writer = event.volatile.get("popnas", "its version is not recorded")
    raise RunFolderError(
        f"{path} was written in version {event.content.get('version')!r} of the run folder's format; this "
        f"popnas reads version {FORMAT}. Use the popnas that wrote it ({writer}), or start a new run."
    )
