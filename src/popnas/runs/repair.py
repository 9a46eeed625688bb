"""Keeps the good part of a damaged journal: the lines before the first bad one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from popnas.errors import JournalError
from popnas.runs import ending
from popnas.runs.folder import RunFolder
from popnas.runs.journal import read, scan
from popnas.runs.replaying import replay
from popnas.storage import write_bytes


@dataclass(frozen=True)
class Repaired:
    """`num_kept` lines stand in the journal now; `copy` is the journal as it was, None if it was sound."""

    num_kept: int
    copy: Path | None


def repair(path: Path | str) -> Repaired:
    """Cut a run's journal before its first damaged line. A copy of it as it was stays beside it.

    Raises:
        RunFolderError: no journal there, or another process writes it.
        JournalError: not even its first line is sound, so there is nothing to keep.
        StorageError: the disk refused.
    """
    folder = RunFolder(path)
    folder.check_exists()
    with folder.lock():
        before = data = read(folder.journal_path)
        while (bad := _first_bad_line(data, folder.journal_path)) is not None:
            if bad.number == 1:
                raise bad
            data = b"".join(data.splitlines(keepends=True)[: bad.number - 1])
        found = scan(data, folder.journal_path)
        data = data[: found.end]
        copy = None
        if data != before:
            copy = _free_name(folder.journal_path)
            write_bytes(copy, before, is_durable=True)
            write_bytes(folder.journal_path, data, is_durable=True)
        ending.write(folder.journal_path, found.note)
        return Repaired(len(found.events), copy)


def _first_bad_line(data: bytes, path: Path) -> JournalError | None:
    try:
        replay(scan(data, path).events, path)
    except JournalError as error:
        return error
    return None


def _free_name(journal: Path) -> Path:
    names = (journal.with_name(f"journal.damaged-{number}.jsonl") for number in itertools.count(1))
    return next(path for path in names if not path.exists())
