"""What a worker writes to its standard error: passed on to the log, and its end kept, which tells why one
died that could not tell it in a message (an abort in a library, a limit of the system).
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from popnas.printable import printable

_CHUNK = 1 << 16
_MOST_KEPT = 8000
_MOST_TOLD, _MOST_LINES = 400, 3

_TRACES = re.compile(r"^(Current thread 0x|Thread 0x|Extension modules: )", re.MULTILINE)
"""Where faulthandler's listing of all threads begins, which says where a worker died, not why."""


class StandardError:
    """The driver's end of the pipe that a worker has as its standard error; `theirs` is the worker's.

    A worker that writes more than a pipe holds (64 KiB on Linux) waits until the driver calls `pump`.
    """

    def __init__(self, log_path: Path | None) -> None:
        self._log_path = log_path
        self._kept = b""
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)
        self.is_open = True

    def fileno(self) -> int:
        """For selectors, while `is_open`."""
        return self._ours

    def started(self) -> None:
        """The worker has its end: the driver needs it no longer."""
        os.close(self.theirs)

    def pump(self) -> None:
        """Pass on what has arrived, without waiting."""
        while self.is_open:
            try:
                data = os.read(self._ours, _CHUNK)
            except BlockingIOError:
                return
            self._kept = (self._kept + data)[-_MOST_KEPT:]
            self._log(data)
            if not data:
                self.close()

    def forget(self) -> None:
        """What comes from here on belongs to another job."""
        self.pump()
        self._kept = b""

    def last_words(self) -> str:
        """The last lines, on one, without harmful characters; "" if there are none."""
        text = self._kept.decode(errors="replace")
        if found := _TRACES.search(text):
            text = text[: found.start()]
        lines = [" ".join(line.split()) for line in text.splitlines()]
        words = printable(" / ".join([line for line in lines if line][-_MOST_LINES:]))
        return words if len(words) <= _MOST_TOLD else f"...{words[3 - _MOST_TOLD :]}"

    def close(self) -> None:
        """Close the pipe; safe to call twice."""
        if self.is_open:
            os.close(self._ours)
        self.is_open = False

    def _log(self, data: bytes) -> None:
        if self._log_path is None or not data:
            return
        with contextlib.suppress(OSError), self._log_path.open("ab") as log:  # the disk may be full
            log.write(data)
