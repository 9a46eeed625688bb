"""Keeps the good part of a damaged journal: the lines before the first bad one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from popnas.errors import JournalError
from popnas.runs.folder import RunFolder
from popnas.runs.journal import ending, plain_form, read, scan
from popnas.runs.replaying import replay
from popnas.storage import write_bytes


@dataclass(frozen=True)
class Repaired:
    """`num_kept` lines of `num_lines` stand in the journal now; `copy` is the journal as it was, None if no
    byte of it was changed; `form`: what it was beside being damaged ("is UTF-16 text"), None if nothing."""

    num_kept: int
    num_lines: int
    copy: Path | None
    form: str | None = None


def repair(path: Path | str) -> Repaired:
    """Cut a run's journal before its first damaged line, and make a file of popnas of one that is a link or
    was written in another form. A copy of it as it was stays beside it.

    Raises:
        RunFolderError: no journal there, or another process writes it.
        JournalError: not even its first line is sound, so there is nothing to keep.
        StorageError: the disk refused.
    """
    folder = RunFolder(path)
    folder.check_exists()
    with folder.lock():
        before = read(folder.journal_path, may_be_link=True)
        is_link = folder.journal_path.is_symlink()
        data, form = plain_form(before)
        num_lines = len(data.splitlines())
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
        if data != before or is_link:
            write_bytes(folder.journal_path, data, is_durable=True)
        ending.write(folder.journal_path, found.last.note)
        forms = [text for text in ("is a link" if is_link else None, form) if text is not None]
        return Repaired(len(found.events), num_lines, copy, " and ".join(forms) or None)


def _first_bad_line(data: bytes, path: Path) -> JournalError | None:
    try:
        replay(scan(data, path).events, path)
    except JournalError as error:
        return error
    return None


def _free_name(journal: Path) -> Path:
    names = (journal.with_name(f"journal.damaged-{number}.jsonl") for number in itertools.count(1))
    return next(path for path in names if not path.exists())
