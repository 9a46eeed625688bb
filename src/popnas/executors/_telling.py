"""How far an evaluation is, told by what evaluates to whoever watches: the driver of the executor.

What is told decides nothing and may be lost: of what comes fast only the newest is passed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from popnas.records import Record

_LEAST_SECONDS = 0.5


@dataclass(frozen=True)
class Progress(Record):
    """How far a job is: so many epochs, or whatever it goes through, of `num_epochs`."""

    epoch: int
    num_epochs: int


_pass_on: Callable[[Progress], None] | None = None
_last = float("-inf")


def tell(progress: Progress) -> None:
    """Tell how far the job of this worker is; nothing happens where nobody evaluates a job."""
    global _last
    now = time.monotonic()
    if _pass_on is not None and now - _last >= _LEAST_SECONDS:
        _last = now
        _pass_on(progress)


@contextmanager
def heard_by(pass_on: Callable[[Progress], None] | None) -> Iterator[None]:
    """What is told in the block goes to `pass_on`."""
    global _pass_on, _last
    before, _pass_on, _last = _pass_on, pass_on, float("-inf")
    try:
        yield
    finally:
        _pass_on = before
