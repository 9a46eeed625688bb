"""One process per run: an flock that ends with its holder, and that children do not inherit.

Where a file system offers none (Lustre without flock, some NFS), a warning says so and the work goes on: a
lock file that only exists would outlive a killed holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from popnas import files
from popnas.errors import RunFolderError
from popnas.printable import quoted
from popnas.records import Record
from popnas.resources import start_of
from popnas.runs import told
from popnas.storage import NOT_OFFERED, storage_errors


class RunLock:
    """Context manager that holds `path` exclusively.

    The file is opened close-on-exec, so workers (started by exec) never hold it. It is never deleted:
    deleting would let two processes lock two different files of one name. It names the holder, for the
    message that a second process gets.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._handle is not None

    def acquire(self) -> None:
        """Take the lock at once or fail.

        Raises:
            RunFolderError: another process holds it; the message names its pid and host. Or it is a link.
            StorageError: the lock file cannot be written.
        """
        assert self._handle is None, "the lock is held already"
        if self.path.is_symlink():
            raise RunFolderError(
                f"{quoted(self.path)} is a link, and what it leads to is never written: remove it."
            )
        with storage_errors(self.path):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 4096, 0)
                os.close(handle)
                raise RunFolderError(self._message(holder)) from None
            except OSError as error:
                if error.errno not in NOT_OFFERED:
                    os.close(handle)
                    raise
                told.warning(
                    f"the file system of {quoted(self.path.parent)} cannot lock files "
                    f"({files.reason(error)}): nothing keeps a second process out of this run. Take "
                    "care not to start one"
                )
            self._handle = handle
            try:
                os.ftruncate(handle, 0)
                os.pwrite(handle, _identity(), 0)
            except OSError:
                pass  # on a full disk the lock still works, only its message is poorer

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._handle is not None:
            os.close(self._handle)  # closing the only descriptor ends the flock
            self._handle = None

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _message(self, holder: bytes) -> str:
        run = self.path.parent.parent
        try:
            who = str(Holder.of_known(files.object_of(holder)))
        except (OSError, ValueError):
            who = "another process"
        return f"the run {quoted(run)} is in use by {who}. Wait until it ends, or stop it, then try again."


@dataclass(frozen=True)
class Holder(Record):
    """Who holds a run's lock, as it wrote there."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (since {self.since})"


def holder(path: Path) -> Holder | None:
    """Who holds the lock at `path`; None: nobody, as far as can be seen. Takes nothing from a process that
    wants it: the lock itself is tried only while the process that took it last still lives."""
    try:
        found = Holder.of_known(files.read_object(path))
        if found.host == socket.gethostname() and start_of(found.pid) is None:
            return None
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return found
    except OSError:  # no locks here
        return None
    finally:
        os.close(handle)
    return None


def _identity() -> bytes:
    fields = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    return json.dumps(fields).encode() + b"\n"
