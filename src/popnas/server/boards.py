"""TensorBoard for a run: started when somebody asks, on loopback, ended when nobody has looked for a while.

It asks for no token itself, so it answers under a path that only this server knows and passes on, behind the
server's own token.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from popnas import files
from popnas.errors import MissingExtraError, PopnasError, UserError
from popnas.records import Record
from popnas.resources import start_of
from popnas.server.jobs.process import child_environment
from popnas.storage import write_json

IDLE_SECONDS = 600.0
_MOST_AT_ONCE = 4
_TIMEOUT = 60.0
_MOST_BYTES = 64 << 20
_PASSED_ON = ("content-type", "content-encoding", "cache-control", "etag")


@dataclass(frozen=True)
class _Started(Record):
    """A process that must not outlive the server for long: the next one ends it."""

    pid: int
    start: str | None


@dataclass
class _Board:
    process: subprocess.Popen[bytes]
    port: int
    prefix: str
    used: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Passed:
    """What TensorBoard answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Boards:
    """The TensorBoards of a server; `folder` is where it is kept which there are."""

    def __init__(self, folder: Path) -> None:
        self._note = folder / "boards.json"
        self._lock = threading.Lock()
        self._boards: dict[str, _Board] = {}
        self._end_left_over()

    def start(self, run: str, path: Path) -> bool:
        """Start one for the run in a folder, unless there is one; whether it answers already.

        Raises:
            MissingExtraError: TensorBoard is not installed.
            UserError: as many run as may.
        """
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtraError("showing trainings", "server", "tensorboard")
        with self._lock:
            board = self._boards.get(run)
            if board is None or board.process.poll() is not None:
                if len(self._boards) >= _MOST_AT_ONCE:
                    raise UserError(f"{_MOST_AT_ONCE} TensorBoards run already; stop one of them first.")
                board = self._boards[run] = _started(run, path)
                self._write()
            board.used = time.monotonic()
        return _answers(board.port)

    def stop(self, run: str) -> None:
        """End that of a run, if there is one."""
        with self._lock:
            board = self._boards.pop(run, None)
            if board is not None:
                _end(board.process)
                self._write()

    def tick(self) -> None:
        """End those at which nobody has looked for a while."""
        now = time.monotonic()
        for run, board in list(self._boards.items()):
            if now - board.used > IDLE_SECONDS or board.process.poll() is not None:
                self.stop(run)

    def close(self) -> None:
        """End all."""
        for run in list(self._boards):
            self.stop(run)

    def passed(self, run: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Passed:
        """What the TensorBoard of a run answers; `path` may have a query.

        Raises:
            UserError: there is none.
            PopnasError: it does not answer.
        """
        board = self._boards.get(run)
        if board is None:
            raise UserError(f"no TensorBoard runs for {run!r}: start it first.")
        board.used = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", board.port, timeout=_TIMEOUT)
        try:
            connection.request(method, f"{board.prefix}/{path}", body or None, dict(headers))
            answer = connection.getresponse()
            content = answer.read(_MOST_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise PopnasError("TensorBoard does not answer (yet).") from error
        finally:
            connection.close()
        if len(content) > _MOST_BYTES:
            raise PopnasError("TensorBoard's answer is too large to be passed on.")
        kept = {name: value for name in _PASSED_ON if (value := answer.getheader(name)) is not None}
        return Passed(answer.status, kept, content)

    def _write(self) -> None:
        known = [_Started(board.process.pid, start_of(board.process.pid)) for board in self._boards.values()]
        write_json(self._note, {"boards": [each.to_json() for each in known]})

    def _end_left_over(self) -> None:
        """A server that was killed left these behind."""
        try:
            listed = files.read_object(self._note).get("boards")
            found = [_Started.of_known(each) for each in listed if isinstance(each, dict)]  # type: ignore[union-attr]
        except (OSError, ValueError, TypeError):
            return
        for each in found:
            if each.pid > 1 and each.start is not None and start_of(each.pid) == each.start:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(each.pid, signal.SIGKILL)
        self._note.unlink(missing_ok=True)


def _started(run: str, path: Path) -> _Board:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    prefix = f"/{secrets.token_urlsafe(24)}"
    options = {"logdir": path, "host": "127.0.0.1", "port": port, "path_prefix": prefix, "load_fast": "false"}
    given = [f"--{name}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tensorboard.main", *given],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
        start_new_session=True,
    )
    return _Board(process, port, prefix)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
