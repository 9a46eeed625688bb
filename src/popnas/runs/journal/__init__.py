"""The journal: one JSON object a line, `{seq, event, content, volatile, after, sha256}`, on disk before use.

`seq` is the line's number, from 1. `sha256` is a checksum of the line up to it, and `after` repeats that of
the line before: so a line that was changed, is missing, stands twice or was moved is noticed, and refused
with its number (`runs.repair` keeps the lines before it). Lines of popnas 0.1.0 have neither; they are read
without proof, and what is appended to them proves them as they were then.

An append that was cut short (kill -9, power loss, full disk) leaves a last line without its newline: it is
passed over, with a word to the user, and cut off before the next append. A last event that lacks only its
newline counts. How far the journal was written stands beside it (`ending`): lines that are missing at its end
are told, too.

`lines` (what a line is, and its proof), `reading` (the file, from a `Position` that was proven before: what
comes later is read alone), `appending` (`Journal`).
"""

from popnas.runs.journal.appending import Journal, moved
from popnas.runs.journal.forms import plain_form
from popnas.runs.journal.lines import (
    FORMAT,
    REASONS,
    RESUMING,
    STOPPED,
    Event,
    Position,
    Scan,
    checksum,
    damaged_event,
    scan,
)
from popnas.runs.journal.reading import Reader, read

__all__ = [
    "FORMAT",
    "REASONS",
    "RESUMING",
    "STOPPED",
    "Event",
    "Journal",
    "Position",
    "Reader",
    "Scan",
    "checksum",
    "damaged_event",
    "moved",
    "plain_form",
    "read",
    "scan",
]
