"""How far a journal was written, in a small file beside it: without it nobody could tell lines that are
missing at its end from lines that were never written.

It is written after the line is on disk, and not synced: after a kill or a power loss it may be behind the
journal, never before it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path


def path_beside(journal: Path) -> Path:
    """Where it lies."""
    return journal.with_suffix(".end")


def write(journal: Path, num_lines: int, last_sum: str) -> None:
    """Note that the journal has so many lines; what cannot be written is left out."""
    text = f"{num_lines:012} {last_sum}"
    with contextlib.suppress(OSError):
        # Never cut to nothing first: some file systems then wait for the disk at every line.
        handle = os.open(path_beside(journal), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.pwrite(handle, f"{text} {_digest(text)}\n".encode(), 0)
        finally:
            os.close(handle)


def num_lines(journal: Path) -> int | None:
    """How many lines it had; None if that is not known (an older journal, a damaged note)."""
    try:
        text, _, digest = path_beside(journal).read_bytes().decode("ascii").rstrip("\n").rpartition(" ")
        return int(text.split()[0]) if digest == _digest(text) else None
    except (OSError, ValueError, IndexError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
