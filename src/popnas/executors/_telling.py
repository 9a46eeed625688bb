"""How far an evaluation is, told by what evaluates to whoever watches: the driver of the executor.

What is told decides nothing and may be lost: of what comes fast only the newest is passed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from popnas.printable import shortened
from popnas.records import Record

_LEAST_SECONDS = 0.5
_MOST_EPOCHS = 10**9


@dataclass(frozen=True)
class Progress(Record):
    """How far a job is: so many epochs, or whatever it goes through, of `num_epochs`."""

    epoch: int
    num_epochs: int


@dataclass(frozen=True)
class Misread(Record):
    """In place of what was told and says nothing of how far a job is: what it was, in a few words."""

    shown: str


TELLING = (
    "how far a job is, executors.tell takes as executors.Progress(epoch, num_epochs), two whole numbers, "
    f"0 <= epoch <= num_epochs <= {_MOST_EPOCHS:,}."
)

_pass_on: Callable[[Progress | Misread], None] | None = None
_last = float("-inf")


def tell(progress: Progress) -> None:
    """Tell how far the job of this worker is; nothing happens where nobody evaluates a job, and nothing fails
    by it."""
    global _last
    now, pass_on = time.monotonic(), _pass_on
    if pass_on is not None and now - _last >= _LEAST_SECONDS:
        _last = now
        pass_on(_read(progress))


def _read(told: object) -> Progress | Misread:
    """What evaluators of other packages tell may be anything: a view must not end the work that it shows."""
    if isinstance(told, Progress):
        epoch, num_epochs = told.epoch, told.num_epochs
        # `type` and not `isinstance`: True is no number of epochs.
        if type(epoch) is int and type(num_epochs) is int and 0 <= epoch <= num_epochs <= _MOST_EPOCHS:
            return told
    try:
        return Misread(shortened(str(told)))
    except Exception:  # of its own making, or of a number with too many digits
        return Misread(f"a {type(told).__name__}")


@contextmanager
def heard_by(pass_on: Callable[[Progress | Misread], None] | None) -> Iterator[None]:
    """What is told in the block goes to `pass_on`."""
    global _pass_on, _last
    before, _pass_on, _last = _pass_on, pass_on, float("-inf")
    try:
        yield
    finally:
        _pass_on = before
