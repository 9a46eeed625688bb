"""A journal's file, whole or from where it was read and proven before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from popnas import files
from popnas.errors import RunFolderError
from popnas.printable import quoted
from popnas.runs.journal.lines import BEGIN, Position, Scan, ends_with, repair_command, scan


class Reader:
    """Reads what came since it read last, for whoever watches a run that goes on: an event of a long journal
    costs its own line. One object reads for one watcher.

    `position` is where it goes on: behind the last line that has its newline, so a line that is half written
    is waited for. Where another journal stands in the file by then (put back, repaired), it begins anew.
    `end`: bytes up to the end of the last whole event. `is_behind`: a piece was read, and more stood there.
    """

    def __init__(self, path: Path, position: Position = BEGIN) -> None:
        self.path = path
        self.position = position
        self.end = position.offset
        self.is_behind = False

    def read(self, most: int | None = None) -> Scan:
        """What came since; all, where `Scan.start` is the beginning. With `most` a piece of so many bytes,
        and what its last line has beyond them.

        Raises:
            JournalError: damage before the last event, with its line number.
            RunFolderError: written by another version of the format, missing or unreadable.
        """
        start, data = _read_from(self.path, self.position, most=most)
        found = scan(data, self.path, start)
        self.is_behind = most is not None and len(data) >= most
        self.position, self.end = found.position, found.end
        return found


def read(path: Path, *, may_be_link: bool = False) -> bytes:
    """The content of a journal's file.

    Raises:
        RunFolderError: it is no file, cannot be read, or is a link: what is appended would go elsewhere.
    """
    return _read_from(path, BEGIN, may_be_link=may_be_link)[1]


def _read_from(
    path: Path, position: Position, *, most: int | None = None, may_be_link: bool = False
) -> tuple[Position, bytes]:
    """What stands behind a position (of whole lines at least `most` bytes, where there are so many), and that
    position; from the beginning, where it is none of the file."""
    if path.is_symlink() and files.exists(path) and not may_be_link:
        raise RunFolderError(
            f"the journal {quoted(path)} is a link to {quoted(os.path.realpath(path))}: lines are appended "
            "to it, so it must be a file of the run's own. Put a copy in the link's place with: "
            f"{repair_command(path)}"
        )
    try:
        with files.open_binary(path) as file:
            if position != BEGIN:
                overlap = min(position.offset, _OVERLAP)
                file.seek(position.offset - overlap)
                if ends_with(file.read(overlap), position):
                    return position, _piece(file, most)
                file.seek(0)
            return BEGIN, _piece(file, most)
    except (OSError, MemoryError) as error:
        is_large = isinstance(error, MemoryError)
        why = "it is larger than the memory that is free" if is_large else files.reason(error)
        raise RunFolderError(
            f"cannot read the journal {quoted(path)}: {why}. Put back a copy of the file, or make it "
            "readable for this user."
        ) from error


def _piece(file: BinaryIO, most: int | None) -> bytes:
    return file.read() if most is None else file.read(most) + file.readline()


_OVERLAP = 64
"""Bytes before a position that are read again: the checksum of the last line, and so the proof of all."""
