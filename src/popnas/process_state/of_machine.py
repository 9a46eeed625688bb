"""Locks between all processes of this user on this machine: files that the system locks (flock), so a process
that dies leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


class MachineLock:
    """A file that is locked as a whole; closed when Python ends or is ended, and not inherited."""

    def __init__(self, path: Path) -> None:
        """Open it; not locked yet.

        Raises:
            OSError: it cannot be opened, is a link, or its disk has no locks.
        """
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.try_take(fcntl.LOCK_SH)  # raises where there are no locks
        self.release()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)

    def take(self, how: int) -> None:
        """Wait for it: `fcntl.LOCK_SH`, with others who share it, or `fcntl.LOCK_EX`, alone."""
        fcntl.flock(self._handle, how)

    def try_take(self, how: int) -> bool:
        """Whether it could be had at once."""
        try:
            fcntl.flock(self._handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Others may have it; nothing happens if it was not taken."""
        fcntl.flock(self._handle, fcntl.LOCK_UN)


def folder_of_machine() -> Path:
    """A folder of this user alone that all processes of the machine find.

    Raises:
        OSError: somebody else's is in its place, or none can be made.
    """
    place = Path(tempfile.gettempdir()) / f"popnas-{os.getuid()}-locks"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{place} is not a folder of this user alone")
    return place


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """While the block runs, no other process of this user on this machine is in one of that name; where files
    cannot be locked, some may be."""
    with ExitStack() as stack:
        with suppress(OSError):
            lock = MachineLock(folder_of_machine() / name)
            lock.take(fcntl.LOCK_EX)
            stack.callback(lock.release)
        yield
