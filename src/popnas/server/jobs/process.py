"""A job's child process: started, found again by its lock, pid and start time, and ended with its whole
group."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from popnas import files
from popnas.errors import PopnasError
from popnas.printable import quoted
from popnas.records import Record
from popnas.resources import start_of
from popnas.storage import storage_errors

_SECRETS = ("POPNAS_SERVER_TOKEN", "POPNAS_WEBHOOK_SECRET")
"""Variables of the server's environment that no child gets to know."""


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
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        except OSError as error:
            raise PopnasError(f"a job in {quoted(folder)} cannot be started: {error}.") from error
        finally:
            os.close(lock)

    def is_alive(self) -> bool:
        """Whether the process runs; what it started does not outlive it."""
        if self._is_locked():
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

    def _is_locked(self) -> bool:
        """Its lock is held as long as the process lives, by itself alone."""
        try:
            lock = os.open(self.lock_path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    @property
    def pid(self) -> int | None:
        """The process that holds the lock; None before it has said so, and where the one of that number is
        another one."""
        holder = self._holder()
        return None if holder is None else holder.pid

    def _holder(self) -> _Holder | None:
        try:
            found = _Holder.of_known(files.read_object(self.lock_path))
        except (OSError, ValueError):
            return None
        return found if found.pid > 1 and start_of(found.pid) == found.start else None

    def end(self) -> tuple[int, float] | None:
        """Exit status and time at which it ended; None where it was killed."""
        try:
            found = _End.of_known(files.read_object(self.end_path))
        except (OSError, ValueError):
            return None
        return found.exit_status, found.ended

    def ask_to_end(self) -> None:
        """Let it finish writing, once: the second signal would end it at once."""
        self._signal(signal.SIGTERM, is_group=False)

    def kill(self) -> None:
        """End it by force, with all of its process group."""
        self._signal(signal.SIGKILL, is_group=True)

    def _signal(self, number: signal.Signals, *, is_group: bool) -> None:
        pid = self.pid
        if pid is None or not self._is_locked():
            return
        with suppress(ProcessLookupError, PermissionError):
            if is_group and os.getpgid(pid) == pid:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
