"""How far a journal was written, and which one, in a small file beside it: without it nobody could tell lines
that are missing at its end from lines that were never written, nor that another run's journal was put there.

It is written after the line is on disk, and not synced: after a kill or a power loss it may be behind the
journal, never before it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from popnas import files

_LONGEST = 4096


@dataclass(frozen=True)
class Note:
    """The journal has `num_lines`; the checksums are those of its first and its last line."""

    num_lines: int
    first_sum: str
    last_sum: str


def path_beside(journal: Path) -> Path:
    """Where it lies."""
    return journal.with_suffix(".end")


def write(journal: Path, note: Note) -> None:
    """Note how far the journal was written; what cannot be written is left out."""
    text = f"{note.num_lines:012} {note.last_sum} {note.first_sum}"
    with contextlib.suppress(OSError):
        # Never cut to nothing first: some file systems then wait for the disk at every line. Nor into what a
        # link leads to, nor waiting for the reader of a pipe.
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(path_beside(journal), flags, 0o666)
        try:
            os.pwrite(handle, f"{text} {_digest(text)}\n".encode(), 0)
        finally:
            os.close(handle)


def read(journal: Path) -> Note | None:
    """What was noted; None if that is not known (an older journal, a damaged note, a link)."""
    try:
        path = path_beside(journal)
        data = b"" if path.is_symlink() else files.read_bytes(path, limit=_LONGEST)
        text, _, digest = data.decode("ascii").rstrip("\n").rpartition(" ")
        count, last_sum, first_sum = text.split()
        return Note(int(count), first_sum, last_sum) if digest == _digest(text) else None
    except (OSError, ValueError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
