"""Times left as they run down: what a stage told last, less what the clock has gone on since.

Whoever shows several of them shows them as of one moment, and none that is more than the whole job's or than
what the stage's time limit leaves: two that contradict each other tell nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from popnas.events import JobLeft, PhaseAdvanced, SecondsLeft

JOB = "job"
PHASE = "phase"


def seconds_until(deadline: float | None) -> float | None:
    """Wall seconds until a deadline (`time.monotonic()`); None: there is none."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


@dataclass(frozen=True)
class Left:
    """Wall seconds left of something; `by_limit`: it would take longer, and its time limit ends it then."""

    seconds: float
    by_limit: bool = False


class Countdown:
    """What is left of a stage's "phase", "step" and "search" and of the whole "job", as far as that was told.

    `now`: seconds of a clock that only goes on.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ends: dict[str, float | None] = {}
        self._limit: float | None = None

    def begin(self, limit: float | None = None) -> None:
        """Something else goes on from now, until its time limit in `limit` seconds: only the job's time left
        is still known."""
        self._limit = self._at(limit)
        self._ends = {name: end for name, end in self._ends.items() if name == JOB}

    def hear(self, told: SecondsLeft | PhaseAdvanced | JobLeft) -> None:
        """Take in what was told; a phase that has no estimate keeps the one it had."""
        match told:
            case SecondsLeft():
                self._limit = self._at(told.limit)
                self._ends |= {"step": self._at(told.step), "search": self._at(told.search)}
            case PhaseAdvanced(_, _, seconds):
                self.expect(PHASE, seconds)
            case JobLeft(seconds):
                self.expect(JOB, seconds)

    def expect(self, name: str, seconds: float | None) -> None:
        """Another estimate of one of them; None: the one before still stands."""
        if seconds is not None:
            self._ends[name] = self._at(seconds)

    def left(self) -> Mapping[str, Left | None]:
        """What is left now, by name; None: was told to have no honest estimate."""
        now, ends = self._now(), dict(self._ends)
        job = ends.get(JOB)
        return {name: self._left(end, job, is_job=name == JOB, now=now) for name, end in ends.items()}

    def _left(self, end: float | None, job: float | None, *, is_job: bool, now: float) -> Left | None:
        if end is None:
            return None
        limit = None if is_job else self._limit  # the stage's own
        ends = [each for each in (end, job, limit) if each is not None]
        return Left(max(min(ends) - now, 0.0), by_limit=limit is not None and limit < end)

    def _at(self, seconds: float | None) -> float | None:
        return None if seconds is None else self._now() + seconds
