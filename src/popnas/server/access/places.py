"""Names of runs and paths inside them, as they come from outside: checked as texts first, then on disk, part
by part, without following a link."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from popnas import files
from popnas.errors import UserError
from popnas.printable import one_line, quoted, shortened
from popnas.runs.names import wrong_with

RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""What a run may be called here: nothing that a path, a shell or a page could take for something else."""

_RUN_NAME = re.compile(RUN_NAME)
_NAME_RULE = "up to 100 letters of a-z, digits, '.', '_' and '-', with a letter or digit first"
_PART = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
_DEEPEST = 12
_DATA_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(:[\w.-]+)?", re.ASCII)


class NotThereError(UserError):
    """Nothing of that name can be shown: it is not there, or leads elsewhere."""


def is_run_name(name: str) -> bool:
    """Whether a run may be called so."""
    return _RUN_NAME.fullmatch(name) is not None and wrong_with(name) is None


def check_run_name(name: str) -> str:
    """The name, if a run may be called so.

    Raises:
        UserError: it may not.
    """
    if not is_run_name(name):
        raise UserError(f"`name` {shortened(name)!r} cannot be a run's: take {_NAME_RULE}, such as 'first'.")
    return name


def run_names(root: Path) -> list[str]:
    """The runs in a folder, links excepted, in order of their names."""
    return sorted(name for name in _folders_with_runs(root) if _why_not_shown(root, name) is None)


@dataclass(frozen=True)
class NotShown:
    """A run that is there and is not shown; its name can be written anywhere, `reason` is a clause with what
    helps."""

    name: str
    reason: str


def runs_not_shown(root: Path) -> list[NotShown]:
    """Those of a folder, in order of their names."""
    found = [(name, _why_not_shown(root, name)) for name in sorted(_folders_with_runs(root))]
    return [NotShown(one_line(name), reason) for name, reason in found if reason is not None]


def _folders_with_runs(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []
    # What begins with a dot is no run anywhere: popnas and the server keep there what is not finished, or
    # thrown away.
    return [name for name in names if not name.startswith(".") and files.is_folder(root / name / "restore")]


def _why_not_shown(root: Path, name: str) -> str | None:
    if _RUN_NAME.fullmatch(name) is not None and (why := wrong_with(name)) is not None:
        return f"its name {why}; rename its folder"
    if not is_run_name(name):
        return f"a run's name here has {_NAME_RULE}; rename its folder"
    if any(place.is_symlink() for place in (root / name, root / name / "restore")):
        return "links are not followed; move the folder itself here"
    return None


def run_folder(root: Path, name: str) -> Path:
    """The folder of a run that is there.

    Raises:
        NotThereError: no run of that name; a link is none.
    """
    if is_run_name(name) and files.is_folder(root / name / "restore") and _why_not_shown(root, name) is None:
        return root / name
    raise NotThereError(f"there is no run {shortened(name)!r}.")


def parts_of(path: str) -> list[str]:
    """The parts of a path inside a run's folder; none of the folder itself.

    Raises:
        NotThereError: it could lead elsewhere, or is nothing that popnas writes.
    """
    parts = path.split("/") if path else []
    if len(parts) > _DEEPEST or any(part in (".", "..") or not _PART.fullmatch(part) for part in parts):
        raise _not_there(path)
    return parts


@contextmanager
def opened_folder(folder: Path, path: str) -> Iterator[int]:
    """A descriptor of a folder below `folder`, reached part by part without links.

    Raises:
        NotThereError: no folder is there, or a link is on the way.
    """
    handle = _open_folder(folder, parts_of(path), path)
    try:
        yield handle
    finally:
        os.close(handle)


def open_file(folder: Path, path: str) -> BinaryIO:
    """A regular file below `folder`, opened for reading, reached part by part without links.

    Raises:
        NotThereError: no file is there, or a link is on the way.
    """
    *above, name = parts_of(path) or [""]
    handle = _open_folder(folder, above, path)
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(name, flags, dir_fd=handle)
    except OSError as error:
        raise _not_there(path) from error
    finally:
        os.close(handle)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _not_there(path)
    return os.fdopen(file, "rb")


@dataclass(frozen=True)
class Entry:
    """What lies in a folder: `size` in bytes, None of a folder; `modified` in seconds since 1970."""

    name: str
    is_folder: bool
    size: int | None
    modified: float


def listed(folder: Path, path: str) -> list[Entry]:
    """Files and folders in a folder below `folder`, by name; links and other things are left out.

    Raises:
        NotThereError: no folder is there, or a link is on the way.
    """
    with opened_folder(folder, path) as handle, os.scandir(handle) as entries:
        found = [_entry(entry) for entry in entries if _is_shown(entry)]
    return sorted(found, key=lambda entry: (not entry.is_folder, entry.name))


def _is_shown(entry: os.DirEntry[str]) -> bool:
    is_plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
    return is_plain and not entry.name.startswith(".") and _PART.fullmatch(entry.name) is not None


def _entry(entry: os.DirEntry[str]) -> Entry:
    found = entry.stat(follow_symlinks=False)
    is_folder = stat.S_ISDIR(found.st_mode)
    return Entry(entry.name, is_folder, None if is_folder else found.st_size, found.st_mtime)


def _open_folder(folder: Path, parts: Sequence[str], path: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(folder, flags)
        for part in parts:
            above = handle
            try:
                handle = os.open(part, flags, dir_fd=above)
            finally:
                os.close(above)
    except OSError as error:
        raise _not_there(path, error.errno == errno.EACCES) from error
    return handle


def _not_there(path: str, is_forbidden: bool = False) -> NotThereError:
    why = "cannot be read" if is_forbidden else "is not in this run's folder"
    return NotThereError(f"{shortened(path)!r} {why}.")


def data_path(path: str, roots: Sequence[Path]) -> str:
    """The place of data that a configuration names, as it really is: below one of the folders that the server
    may read data from. What does not begin with '/' is looked for in these folders.

    Raises:
        UserError: it lies elsewhere, or there are no such folders.
    """
    if not roots:
        raise UserError(
            "`dataset.path` cannot be used here: this server was started without a folder that data may be "
            "read from. Take a data set by `dataset.name`, or start the server with such a folder."
        )
    for root in roots:
        try:
            place = os.path.realpath(root / path)
        except ValueError:  # a NUL, or half a surrogate pair
            break
        if files.exists(Path(place)) and Path(place).is_relative_to(os.path.realpath(root)):
            return place
    raise UserError(
        f"`dataset.path` {shortened(path)!r} is not below a folder that this server may read data from: "
        f"{', '.join(quoted(root) for root in roots)}."
    )


def check_data_name(name: str) -> None:
    """Raises UserError for a data set's name that could be taken for a place on this machine."""
    if _DATA_NAME.fullmatch(name) is None:
        raise UserError(
            f"`dataset.name` {shortened(name)!r} is no name of a data set: take one such as 'digits' or "
            "'owner/name'."
        )
