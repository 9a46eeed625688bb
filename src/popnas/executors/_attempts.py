"""A job that is being tried: by which attempt, until when, and what comes of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from popnas.executors._base import IsTimeUp, Job, Result, failed
from popnas.executors._messages import Ended, Failure

_MAX_ATTEMPTS = 2


@dataclass
class Attempt:
    """The first or a later one; `deadline` by the monotonic clock."""

    job: Job
    number: int = 1
    deadline: float = float("inf")

    def hand_out(self, limit: float | None) -> None:
        """It begins, and is to end within `limit` seconds."""
        self.deadline = time.monotonic() + (limit or float("inf"))

    def again(self) -> Attempt | None:
        """The next one after its worker was lost; None if that was the last."""
        return None if self.number >= _MAX_ATTEMPTS else Attempt(self.job, self.number + 1)

    def ended(self, answer: Ended, worker: int) -> Result:
        """The result that a worker's answer makes."""
        if answer.failure is not None:
            return self.failed(answer.failure, worker)
        return Result(self.job.id, answer.value, worker=worker, attempts=self.number)

    def failed(self, why: Failure, worker: int) -> Result:
        """The result without a value."""
        return failed(self.job.id, why, worker=worker, attempts=self.number)


class Waiting:
    """Jobs that wait for a worker, in their order. Those that are tried again go first, also when the time
    is up: they were handed out before. What was never handed out then waits no more."""

    def __init__(self, jobs: Iterable[Job] = (), is_time_up: IsTimeUp | None = None) -> None:
        self._fresh = deque(Attempt(job) for job in jobs)
        self._is_time_up = is_time_up or (lambda: False)
        self._again: deque[Attempt] = deque()

    def __len__(self) -> int:
        return len(self._again) + (0 if self._is_time_up() else len(self._fresh))

    def take(self) -> Attempt:
        """The next one."""
        return (self._again or self._fresh).popleft()

    def put_back(self, attempt: Attempt) -> None:
        """It was taken, but not begun."""
        self._again.appendleft(attempt)

    def try_again(self, attempt: Attempt) -> bool:
        """Its worker was lost; False if that was its last attempt."""
        if (again := attempt.again()) is None:
            return False
        self._again.append(again)
        return True
