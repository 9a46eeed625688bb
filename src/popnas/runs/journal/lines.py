"""What a line of the journal is, and what proves it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from popnas.command_lines import as_typed
from popnas.errors import JournalError, RunFolderError
from popnas.printable import quoted
from popnas.runs.journal.ending import Note
from popnas.runs.journal.forms import plain_form

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
"""Hexadecimal ones of a checksum: 128 bits of the 256, where nobody is at work to make two lines alike."""
_SUM = b',"sha256":"'
_SUM_LENGTH = len(_SUM) + _DIGITS + 2
_UNPROVEN = "-"
"""Before the checksum of a line that carries none itself."""


@dataclass(frozen=True)
class Event:
    """What happened. `content` is equal in two equal runs, `volatile` (clocks, hosts) need not be.
    `is_proven`: its line has a checksum, so it is what popnas wrote.
    """

    seq: int
    event: str
    content: dict[str, Any]
    volatile: dict[str, Any]
    is_proven: bool = field(default=False, compare=False, repr=False)

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
class Position:
    """How far a journal was read and proven: `num_lines` lines, the first `num_unproven` of them without
    checksums, in `offset` bytes; the checksums of the first and the last one (None: no line was read). A
    reader that goes on there proves what follows as if it had read all.
    """

    offset: int = 0
    num_lines: int = 0
    num_unproven: int = 0
    first_sum: str | None = None
    mark: str = checksum(b"")

    @property
    def last_sum(self) -> str:
        """What the next line has as its `after`."""
        return self.mark.lstrip(_UNPROVEN)

    @property
    def note(self) -> Note:
        """What stands beside a journal that was written so far; of one that is not empty."""
        assert self.first_sum is not None
        return Note(self.num_lines, self.first_sum, self.last_sum)

    @property
    def is_unproven(self) -> bool:
        """Whether no line yet has a checksum."""
        return self.num_unproven == self.num_lines

    def behind(self, line: bytes, own: str | None) -> Position:
        """The one behind a further line (without its newline) of the checksum `own`."""
        # Of a line without proof the sum covers all lines before it, so that the first line with one proves
        # them.
        mark = own if own is not None else _UNPROVEN + checksum(self.mark.encode() + line)
        return Position(
            self.offset + len(line) + 1,
            self.num_lines + 1,
            self.num_unproven + (own is None),
            self.first_sum or mark.lstrip(_UNPROVEN),
            mark,
        )


BEGIN = Position()


def ends_with(data: bytes, position: Position) -> bool:
    """Whether bytes before a position are those of its journal: they end with its last line's checksum."""
    return not position.is_unproven and data.endswith(f'{position.last_sum}"}}\n'.encode())


@dataclass(frozen=True)
class Scan:
    """What was read of a journal from `start` on.

    `events`: the whole ones; `sums`: their checksums, as later lines and files name them. `position`: behind
    the last line that has its newline; `last`: behind the last whole event, though it may lack that.
    `damaged`: bytes after it that are no event.
    """

    start: Position
    events: list[Event]
    sums: list[str]
    position: Position
    last: Position
    damaged: int

    @property
    def has_newline(self) -> bool:
        """Whether the last event's line ends with one."""
        return self.last == self.position

    @property
    def ended(self) -> list[Event]:
        """The events whose lines have their newline."""
        return self.events if self.has_newline else self.events[:-1]

    @property
    def end(self) -> int:
        """Bytes of the file up to the end of the last whole event."""
        return self.last.offset

    @property
    def num_lines(self) -> int:
        """Whole events of the journal, those before `start` among them."""
        return self.last.num_lines

    @property
    def num_unproven(self) -> int:
        """Lines without checksums, at the beginning."""
        return self.last.num_unproven

    @property
    def first_sum(self) -> str | None:
        """The checksum by which the run is known; None of an empty journal."""
        return self.last.first_sum

    @property
    def last_with_newline(self) -> Position:
        """Where the next line begins, once the last one has its newline."""
        return self.last if self.has_newline else replace(self.last, offset=self.last.offset + 1)


def repair_command(path: Path) -> str:
    """What keeps the good part of the journal at `path`."""
    return as_typed("journal", path.parent.parent, "--repair")


def scan(data: bytes, path: Path, start: Position = BEGIN) -> Scan:
    """Read and prove the lines of a journal from `start` on; `path` is for messages.

    Raises:
        JournalError: damage before the last event, with its line number.
        RunFolderError: written by another version of the format.
    """
    form = plain_form(data)[1] if start == BEGIN else None
    if form is not None:
        raise JournalError(
            f"{quoted(path)} {form}, as an editor or a copy in text mode leaves it. Its lines are as they "
            f"were: write them as popnas does with: {repair_command(path)} (a copy as it is stays beside it)",
            1,
        )
    *lines, tail = data.split(b"\n")
    events: list[Event] = []
    sums: list[str] = []
    position = start
    for line in lines:
        event, position = _taken(line, position, path)
        events.append(event)
        sums.append(position.last_sum)
    last = position
    for whole in (tail, tail[:-1]):  # the last event lacks its newline, or has something else in its place
        if whole.endswith(b"}"):
            try:
                event, behind = _taken(whole, position, path)
            except JournalError:
                continue
            last = replace(behind, offset=behind.offset - 1)
            events.append(event)
            sums.append(last.last_sum)
            break
    return Scan(start, events, sums, position, last, start.offset + len(data) - last.offset)


def _taken(line: bytes, before: Position, path: Path) -> tuple[Event, Position]:
    """The event on a line that stands at a position, and the position behind it.

    Raises:
        JournalError: it is none, was changed, or does not belong here.
    """
    number = before.num_lines + 1
    own = sum_of(line)
    found = _parse(line, is_proven=own is not None)
    if found is None:
        raise corrupt(path, number, "is not an event" if number == 1 else "is not a whole event")
    fields, event = found
    if own is None and (fields.keys() != _KEYS or not before.is_unproven):
        raise corrupt(path, number, "has no checksum, or one that was changed")
    if own is None and event.event not in _KINDS:
        raise corrupt(path, number, f"is an event of unknown kind: '{event.event}'")
    if own is not None and own != checksum(line[:-_SUM_LENGTH]):
        raise corrupt(path, number, "was changed: it does not have its checksum")
    if event.seq != number:
        why = "lines before it are missing" if event.seq > number else "it stands twice, or was moved here"
        raise corrupt(path, number, f"has seq {event.seq} where {number} was expected: {why}")
    if own is not None and fields.get("after") != before.last_sum:
        raise corrupt(path, number, "does not follow the lines that stand before it: one of them was changed")
    if number == 1:
        _check_format(path, event)
    return event, before.behind(line, own)


def sum_of(line: bytes) -> str | None:
    """The checksum that stands on a line; None on lines of popnas 0.1.0."""
    if line[-_SUM_LENGTH : -_DIGITS - 2] != _SUM or not line.endswith(b'"}'):
        return None
    return line[-_DIGITS - 2 : -2].decode("latin-1")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
"""Made once: `json.loads` makes one for every line."""


def _parse(line: bytes, *, is_proven: bool) -> tuple[dict[str, Any], Event] | None:
    """The fields of a line and its event, or None if the line is damaged."""
    try:
        fields = _DECODER.decode(line.decode())
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
    return (fields, Event(seq, event, content, volatile, is_proven)) if is_typed else None


def damaged_event(path: Path | None, event: Event, error: Exception) -> JournalError:
    """The error for a whole event whose content makes no sense; `error` says why."""
    why = f"(an event '{event.event}') cannot be used ({error})"
    return corrupt(path or Path("the journal"), event.seq, why)


def corrupt(path: Path, number: int, what: str) -> JournalError:
    """The error for a line of that number; `what` goes on from "line N"."""
    if number == 1:
        remedy = "start a new run"
    else:
        kept = "line 1" if number == 2 else f"lines 1 to {number - 1}"
        remedy = (
            f"keep {kept} with: {repair_command(path)} (a copy of all is kept beside it, and the "
            "search, gone on with, does again what came later)"
        )
    return JournalError(
        f"{quoted(path)}, line {number} {what}. The journal was changed or damaged outside popnas. "
        f"Put back a copy of the file, or {remedy}.",
        number,
    )


def _check_format(path: Path, event: Event) -> None:
    if event.event != "run_started" or event.content.get("version") == FORMAT:
        return
    writer = event.volatile.get("popnas", "its version is not recorded")
    raise RunFolderError(
        f"{quoted(path)} was written in version {event.content.get('version')!r} of the run folder's "
        f"format; this popnas reads version {FORMAT}. Use the popnas that wrote it ({writer}), or start a "
        "new run."
    )
