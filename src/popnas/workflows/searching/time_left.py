"""How long a search honestly still takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from popnas.evaluation import Evaluation
from popnas.events import SecondsLeft

# Below so many finished candidates a mean says little, and no time left is shown.
_MIN_FINISHED = 5


@dataclass
class Clock:
    """Estimates the time left from the wall seconds of finished candidates.

    `num_later_candidates`: how many candidates each step still to come trains at most, by step;
    `num_confirmations`: how many trainings confirm the best cells at the end, each as dear as a candidate
    of the last step. A candidate's cost is taken as the mean of those finished in its step, scaled by its
    predicted training time where there is one; a candidate that runs counts with what is left of its
    estimate. Steps to come are taken as full, each as much dearer than the one before as the current one
    was against its predecessor (at most twice).
    """

    num_workers: int
    num_later_candidates: dict[int, int]
    num_confirmations: int = 0
    finished: dict[int, list[float]] = field(default_factory=dict)
    predicted: dict[tuple[int, int], float] = field(default_factory=dict)
    _predicted_finished: dict[int, list[float]] = field(default_factory=dict)

    def record(self, evaluation: Evaluation) -> None:
        """Learn from a finished candidate."""
        wall = evaluation.wall_seconds
        if wall is None:
            return
        self.finished.setdefault(evaluation.step, []).append(wall)
        predicted = self.predicted.get((evaluation.step, evaluation.index))
        if predicted is not None:
            self._predicted_finished.setdefault(evaluation.step, []).append(predicted)

    def seconds_left(
        self, step: int, waiting: Collection[int], running: dict[int, float], num_unknown: int = 0
    ) -> SecondsLeft:
        """`waiting`: indices of the step's candidates that have not started; `running`: index to seconds
        since its start; `num_unknown`: how many later rounds of the step may choose."""
        walls = self.finished.get(step, [])
        if len(walls) < min(_MIN_FINISHED, len(walls) + len(waiting) + len(running)) or not walls:
            return SecondsLeft(None, None)
        mean = sum(walls) / len(walls)
        pace = self._pace(step, mean)
        work = sum(self._expected(step, index, mean, pace) for index in waiting)
        # One that takes longer than expected is not done in the next moment: a tenth of a mean stays.
        work += sum(
            max(self._expected(step, index, mean, pace) - since, 0.1 * mean)
            for index, since in running.items()
        )
        # At the end of a step fewer candidates are left than there are workers.
        step_left = work / min(self.num_workers, max(len(waiting) + len(running), 1))
        step_left += num_unknown * mean / self.num_workers
        return SecondsLeft(step_left, self._search_left(step, mean, step_left))

    def _pace(self, step: int, mean: float) -> float | None:
        """Seconds by the clock of each that was predicted, as the finished ones of the step had it."""
        known = self._predicted_finished.get(step)
        total = sum(known) if known else 0.0
        return mean * len(known) / total if known and total > 0 else None

    def _expected(self, step: int, index: int, mean: float, pace: float | None) -> float:
        predicted = self.predicted.get((step, index))
        if predicted is None or pace is None:
            return mean
        return max(predicted * pace, 0.0)  # predictors may give what none takes

    def _search_left(self, step: int, mean: float, step_left: float) -> float | None:
        later = {number: count for number, count in self.num_later_candidates.items() if number > step}
        if step < 2 and later:
            # Single-block cells say nothing yet about how much dearer grown ones are.
            return None
        before = self.finished.get(step - 1)
        # One more block at most doubles a cell of one; a front of cheap cells makes no later step cheaper.
        growth = min(max(mean / (sum(before) / len(before)), 1.0), 2.0) if before and sum(before) else 1.0
        work = sum(count * mean * growth ** (number - step) for number, count in later.items())
        work += self.num_confirmations * mean * growth ** (max(later, default=step) - step)
        return step_left + work / self.num_workers


class ConfirmationClock:
    """The time left of confirmations: each takes as long as the search's own training of its cell did, at the
    pace of those that are done.

    `expected`: by job, wall seconds; None where the search does not know.
    """

    def __init__(
        self,
        num_workers: int,
        expected: Mapping[str, float | None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.num_workers, self.left, self.now = num_workers, dict(expected), now
        self._began: dict[str, float] = {}
        self._planned = self._taken = 0.0

    def start(self, job: str) -> None:
        """A worker has it; one that is tried again starts twice."""
        self._began[job] = self.now()

    def finish(self, job: str, wall_seconds: float | None) -> None:
        """It is done."""
        planned = self.left.pop(job)
        if planned and wall_seconds:
            self._planned, self._taken = self._planned + planned, self._taken + wall_seconds

    def seconds_left(self) -> SecondsLeft:
        """Of all that are not done."""
        pace, now, work = self._taken / self._planned if self._planned else 1.0, self.now(), 0.0
        for job, planned in self.left.items():
            if planned is None:
                return SecondsLeft(None, None)
            since = now - self._began.get(job, now)
            work += max(planned * pace - since, 0.1 * planned * pace)
        return SecondsLeft(None, work / min(self.num_workers, max(len(self.left), 1)))
