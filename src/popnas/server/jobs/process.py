"""A job's child process: started, found again by its lock, pid and start time, and ended with its whole
group."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from popnas import files
from popnas.errors import PopnasError
from popnas.printable import quoted
from popnas.records import Record
from popnas.resources import start_of
from popnas.storage import NOT_OFFERED, storage_errors

_SECRETS = ("POPNAS_SERVER_TOKEN", "POPNAS_WEBHOOK_SECRET")
"""Variables of the server's environment that no child gets to know."""

_STARTING_SECONDS = 60.0
"""Within which a process has said who it is."""


def child_environment() -> dict[str, str]:
    """The environment of processes that the server starts."""
    return {name: value for name, value in os.environ.items() if name not in _SECRETS}


@dataclass(frozen=True)
class _Holder(Record):
    """Who holds a job's lock, as the process itself wrote it there."""

    pid: int
    start: str | None = None


@dataclass(frozen=True)
class _End(Record):
    exit_status: int
    ended: float


class JobProcess:
    """The process of one job, whoever started it; `folder` is where jobs are kept."""

    def __init__(self, folder: Path, number: int) -> None:
        name = f"{number:06d}"
        self.lock_path = folder / f"{name}.lock"
        self.end_path = folder / f"{name}.end"
        self.log_path = folder / f"{name}.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._seen: _Holder | None = None

    def start(self, arguments: tuple[str, ...], folder: Path) -> None:
        """Start `popnas ARGUMENTS` in a session of its own, in the folder.

        Raises:
            PopnasError: it cannot be started.
        """
        command = [sys.executable, "-P", "-m", "popnas.cli.terminal.detached"]
        with storage_errors(self.lock_path):
            lock = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _hold(lock)
            with self.log_path.open("ab") as log:
                self._child = subprocess.Popen(
                    [*command, str(lock), str(self.end_path), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[lock],
                    cwd=folder,
                    env=child_environment(),
                    start_new_session=True,
                )
            self._seen = _Holder(self._child.pid, start_of(self._child.pid))
        except OSError as error:
            raise PopnasError(f"a job in {quoted(folder)} cannot be started: {error}.") from error
        finally:
            os.close(lock)

    def is_alive(self) -> bool:
        """Whether the process runs; what it started does not outlive it."""
        is_locked = self._is_locked()
        if self._lives_by_number() if is_locked is None else is_locked:
            self._seen = self._holder() or self._seen
            return True
        if self._seen is not None and start_of(self._seen.pid) in (None, self._seen.start):
            # No other process has its number: what is left of its group is its own.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._seen.pid, signal.SIGKILL)
        self._seen = None
        if self._child is not None:
            self._child.poll()
        return False

    @property
    def has_begun(self) -> bool:
        """Whether there is or was a process, as far as it has come to say so."""
        return self._child is not None or self._told() is not None or self.end() is not None

    def _is_locked(self) -> bool | None:
        """Its lock is held as long as the process lives, by itself alone; None: no locks are offered here."""
        try:
            lock = os.open(self.lock_path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:  # too many open files, say: who cannot look takes nobody for dead
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            return None if error.errno in NOT_OFFERED else True
        finally:
            os.close(lock)
        return False

    def _lives_by_number(self) -> bool:
        """The same where files cannot be locked, by the number and start of the process."""
        if self._child is not None:
            return self._child.poll() is None
        if self._told() is not None:
            return self._holder() is not None
        try:
            age = time.time() - self.lock_path.stat().st_mtime
        except OSError:
            return False
        return age < _STARTING_SECONDS

    @property
    def pid(self) -> int | None:
        """The process that holds the lock; None before it has said so where another server started it, and
        where the one of that number is another one."""
        if self._child is not None:
            return self._child.pid if self._child.poll() is None else None
        holder = self._holder()
        return None if holder is None else holder.pid

    def _holder(self) -> _Holder | None:
        found = self._told()
        return found if found is not None and start_of(found.pid) == found.start else None

    def _told(self) -> _Holder | None:
        try:
            found = _Holder.of_known(files.read_object(self.lock_path))
        except (OSError, ValueError):
            return None
        return found if found.pid > 1 else None

    def end(self) -> tuple[int, float] | None:
        """Exit status and time at which it ended; None where it was killed."""
        try:
            found = _End.of_known(files.read_object(self.end_path))
        except (OSError, ValueError):
            return None
        return found.exit_status, found.ended

    def ask_to_end(self) -> bool:
        """Let it finish writing; whether it was told, which is done once: the second signal would end it at
        once. A process that another server started can be told when it has said who it is."""
        return self._signal(signal.SIGTERM, is_group=False)

    def kill(self) -> None:
        """End it by force, with all of its process group."""
        self._signal(signal.SIGKILL, is_group=True)

    def _signal(self, number: signal.Signals, *, is_group: bool) -> bool:
        pid = self.pid
        if pid is None or self._is_locked() is False:
            return False
        with suppress(ProcessLookupError, PermissionError):
            if is_group and os.getpgid(pid) == pid:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        return True


def _hold(lock: int) -> None:
    """Lock an open file, where the file system can."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
