"""Standard output and error that never fail: what cannot be written is dropped, and told once at the end.

A full disk behind `>`, a closed descriptor or a terminal that is gone says nothing about a command's work.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TextIO

from popnas import files

_CLOSED = "it is closed"


class Guarded(io.RawIOBase):
    """A descriptor whose failed writes are remembered in `failure` (words), not raised.

    `is_left`: it was a pipe whose reader has gone, which is no failure to be told.
    """

    def __init__(self, descriptor: int, failure: str | None = None) -> None:
        self._descriptor = descriptor
        self.failure = failure
        self.is_left = False

    def write(self, data: object) -> int:
        """Write, or drop what cannot be written."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        if self.failure is None:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:  # a pipe that was made non-blocking by whoever shares it
                select.select([], [self._descriptor], [])
                return self.write(data)
            except OSError as error:
                self.failure = files.reason(error)
                self.is_left = error.errno == errno.EPIPE
        return len(view)

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)


def guard() -> Guarded:
    """Guard the process's standard streams from now on; returns what stands behind standard output.

    Closed ones (daemons, `>&-`) get the null device first: else the next file that is opened would take their
    number, and a library's prints would go into it.
    """
    is_closed = [_is_closed(number) for number in range(3)]
    output = Guarded(1, _CLOSED if is_closed[1] else None)
    sys.stdout = _text(output, sys.stdout)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - the process's own, to its end
    sys.stderr = _text(Guarded(2, _CLOSED if is_closed[2] else None), sys.stderr)
    return output


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        assert opened == number, (opened, number)
        os.set_inheritable(opened, True)
        return True
    return False


def _text(raw: Guarded, before: TextIO | None) -> TextIO:
    """As Python's own streams, but a character that the encoding lacks is escaped, not an error."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=raw.isatty() or raw.fileno() == 2,
    )
