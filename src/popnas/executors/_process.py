"""One worker process as the driver sees it: start, messages, end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from popnas.errors import ExecutorError
from popnas.executors._channel import Channel
from popnas.executors._orders import Order, Surroundings
from popnas.executors._standard_error import StandardError

# The driver's sys.path goes along, so that the worker imports what the driver could (a notebook's folder, a
# test's).
_BOOTSTRAP = (
    "import json, sys; settings = json.loads(sys.argv[1]); sys.path[:] = settings['path']; "
    "from popnas.executors._worker import main; main(settings)"
)
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class WorkerProcess:
    """Starts at construction, is sent `order`, and answers `Ready` on its channel.

    It leads a session of its own, so a terminal's Ctrl-C does not reach it and `end` takes along what it
    started. Its end of the connection is the only descriptor of the driver that it inherits.
    """

    def __init__(self, order: Order, cores: list[int], log_path: Path | None) -> None:
        self.is_ready = False
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.stderr = StandardError(log_path)
        try:
            self._process = _launch(theirs.fileno(), self.stderr.theirs, cores, order.threads, log_path)
        except OSError as error:
            ours.close()
            self.stderr.close()
            raise ExecutorError(f"cannot start a worker process: {error}") from error
        finally:
            theirs.close()
            self.stderr.started()
        with contextlib.suppress(OSError):  # it has died already, which the driver sees on the channel
            self.channel.send(order.to_json())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_dead(self) -> bool:
        """Whether it has ended; it is not reaped, so that `end` can still name its process group."""
        if not hasattr(os, "waitid"):  # macOS
            return self._process.poll() is not None
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def hang_up(self) -> None:
        """Close the connection; an idle worker then ends by itself."""
        self.channel.close()

    def wait(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        try:
            self._process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> str:
        """End it by force, if it still runs, with all that it started; returns how it ended, in words."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self.channel.close()
        self.stderr.pump()
        self.stderr.close()
        return how_ended(self._process.returncode)

    def why(self, how: str) -> str:
        """Sentences about why it ended, where `end` said `how`: its last words, and what may help."""
        words = self.stderr.last_words()
        told = f' Its last words: "{words}".' if words else " It printed no reason."
        remedy = "use fewer workers or a smaller batch_size."
        if how.endswith(" SIGKILL"):
            return f"{told} The system kills processes when memory runs out: {remedy}"
        return f"{told} If memory or threads ran out, {remedy}"


def _launch(
    connection: int, stderr: int, cores: list[int], threads: int, log_path: Path | None
) -> subprocess.Popen[bytes]:
    surroundings = Surroundings(
        path=import_path(),
        fd=connection,
        driver=os.getpid(),
        is_main_thread=threading.current_thread() is threading.main_thread(),
        cores=cores,
    )
    # Read before torch is imported there; setting them later has no effect on its thread pools.
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
    log: IO[bytes] | int = subprocess.DEVNULL
    with contextlib.ExitStack() as stack:
        if log_path is not None:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(log_path.open("ab"))
        return subprocess.Popen(
            [sys.executable, "-P", "-u", "-c", _BOOTSTRAP, json.dumps(surroundings.to_json())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=stderr,
            pass_fds=[connection],
            env=environment,
            start_new_session=True,
        )


def import_path() -> list[str]:
    """The driver's `sys.path`, with the folder that Python puts first for a script, `-c`, `-m` or a notebook
    at its end: a file `random.py` of the user's own must not stand in for Python's."""
    path = [item for item in sys.path if isinstance(item, str)]
    if not sys.flags.safe_path and path and _is_users(path[0]):
        path.append(path.pop(0))
    return path


def _is_users(folder: str) -> bool:
    """Whether nothing is installed there: neither Python's own modules nor this package."""
    own = {Path(os.__file__).parent, Path(__file__).parents[2]}
    return not folder or Path(folder).resolve() not in {item.resolve() for item in own}


def how_ended(status: int) -> str:
    """How a child process ended, in words, by its exit status as `subprocess` has it (-11 for SIGSEGV)."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
