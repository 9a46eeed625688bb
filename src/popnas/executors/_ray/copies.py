"""Copies of the driver's files on the disks of nodes: one a node, whoever of its actors comes first makes it,
and the others wait.

A copy is locked for as long as an actor uses it, and the system lets go of the locks of a process that is
killed: what no longer has one is left of a search that ended, and goes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from popnas import files
from popnas.errors import StorageError
from popnas.executors._ray.connection import connected
from popnas.printable import quoted
from popnas.process_state import one_at_a_time

if TYPE_CHECKING:
    import numpy as np

_FILES, _LOCK = "files", "lock"
_TRIES = 5
_MAKING_SECONDS = 3600.0
"""So old is no folder that still waits for its lock file."""
_LEAVING_SECONDS = 2.0


@dataclass(frozen=True)
class Parcel:
    """The files of a folder in Ray's object store, by their names there; `token` is of this one alone."""

    token: str
    names: list[str]
    contents: list[Any]

    @classmethod
    def of(cls, root: Path) -> Parcel:
        """Put there; Ray brings them to a node once, and actors read them where they lie there: of bytes each
        would get a copy of its own."""
        paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
        names = [path.relative_to(root).as_posix() for path in paths]
        return cls(os.urandom(8).hex(), names, [connected().put(_mapped(path)) for path in paths])


@dataclass
class Copy:
    """A parcel's files in `folder` on this node's disk, there until all who have one let go of it."""

    place: Path
    lock: IO[bytes]

    @property
    def folder(self) -> Path:
        """The files."""
        return self.place / _FILES

    def leave(self) -> None:
        """Let go of it; the last one removes it. One that was ended just now may still hold it a moment."""
        self.lock.close()
        until = time.monotonic() + _LEAVING_SECONDS
        while self.place.exists() and not _removed(self.place) and time.monotonic() < until:
            time.sleep(0.1)


def _mapped(path: Path) -> np.ndarray:
    """The bytes of a file, without a copy of them in memory."""
    import numpy as np  # executors are listed without it

    if not path.stat().st_size:
        return np.empty(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, mode="r"))


def made(parcel: Parcel, fetch: Callable[[Any], np.ndarray]) -> Copy:
    """The node's copy of a parcel, whose contents `fetch` gives.

    Raises:
        StorageError: the disk refused.
    """
    place = Path(tempfile.gettempdir()) / f"{_prefix()}{parcel.token}"
    with one_at_a_time("copying"):  # where files cannot be locked some make copies of which one is kept
        return _made(place, parcel, fetch)


def _made(place: Path, parcel: Parcel, fetch: Callable[[Any], np.ndarray]) -> Copy:
    for _ in range(_TRIES):  # as others make and remove it at the same time
        if (lock := _held(place)) is not None:
            return Copy(place, lock)
        try:
            _make(place, parcel, fetch)
        except OSError as error:
            why = files.reason(error).removesuffix(".")
            raise StorageError(
                f"a node cannot copy the data to {quoted(place)} on its disk: {why}."
            ) from error
    raise StorageError(f"a node cannot copy the data to {quoted(place)} on its disk: something is there.")


def remove_stale() -> None:
    """Remove the copies on this node that searches of this user left behind, whose processes have ended."""
    for place in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        if _is_ours(place):
            _removed(place)


def _prefix() -> str:
    """Of copies alone: this user's folder of locks is in use for as long as it is there, however old."""
    return f"popnas-{os.getuid()}-data-"


def _is_ours(place: Path) -> bool:
    """A folder of this user's own, not a link to somewhere."""
    try:
        found = place.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _held(place: Path) -> IO[bytes] | None:
    """The lock of a copy that is whole, shared with all who read it; None if there is no such copy."""
    if not _is_ours(place):
        return None
    try:
        lock = (place / _LOCK).open("rb")
    except FileNotFoundError:
        return None
    fcntl.flock(lock, fcntl.LOCK_SH)
    if _is_still(place, lock):
        return lock
    lock.close()
    return None


def _is_still(place: Path, lock: IO[bytes]) -> bool:
    """Whether it was not removed while its lock was waited for."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (place / _LOCK).stat())
    except FileNotFoundError:
        return False


def _make(place: Path, parcel: Parcel, fetch: Callable[[Any], np.ndarray]) -> None:
    making = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
    try:
        with (making / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            (making / _FILES).mkdir()
            for name, content in zip(parcel.names, parcel.contents, strict=True):
                path = making / _FILES / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(fetch(content).data)
            with suppress(OSError):  # another actor was faster
                making.rename(place)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _removed(place: Path) -> bool:
    """Remove a copy unless somebody uses it; whether it is gone."""
    try:
        lock = (place / _LOCK).open("rb")
    except FileNotFoundError:
        return _removed_if_old(place)
    except OSError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        if _is_still(place, lock):  # else another one removes it
            shutil.rmtree(place, ignore_errors=True)
    return True


def _removed_if_old(place: Path) -> bool:
    with suppress(OSError):
        if time.time() - place.stat().st_mtime > _MAKING_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
            return True
    return not place.exists()
