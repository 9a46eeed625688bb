"""How long a whole job still takes, told by the stage of it that runs: on its terminal and in its
`progress.json`.

Before a stage its job says what it expects (`Ahead`); from then on the stage's own events correct that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from popnas import files
from popnas.evaluation import Evaluation
from popnas.events import (
    CandidateFinished,
    ConfirmationFinished,
    ConfirmationStarted,
    EpochFinished,
    JobEvent,
    JobLeft,
    Listen,
    ModelFinished,
    SecondsLeft,
    StepStarted,
    TrainingsStarted,
    both,
)
from popnas.records import Record

_MIN_FINISHED = 5
"""Below so many candidates or epochs the machine's pace is not judged by them, as in a search's own clock."""
_MOST_PACE = 4.0
"""How far a measured pace may change what was expected of later stages, either way: a few slow networks are
no slow machine."""


@dataclass(frozen=True)
class StepAhead(Record):
    """What a step of a search is expected to take: one of its candidates in a worker, and all of them."""

    step: int
    candidate: float
    seconds: float


@dataclass(frozen=True)
class Ahead(Record):
    """What a job expects as one of its stages begins, in wall seconds.

    `start`: until its first network trains; `trainings`: of all its networks; `end`: after the last of them;
    `steps`: of a search, and its `confirmations` after them; `num_best`: how many of its best cells selection
    trains, whose candidates are expected to take `best_candidate` each in a worker;
    `later_trainings`, `later_beside`: of the stages that follow, their networks and all else;
    `stage_limit`, `job_limit`: when they are ended whatever is done by then (None: never).
    """

    start: float
    trainings: float
    end: float
    later_trainings: float
    later_beside: float
    steps: tuple[StepAhead, ...] = ()
    confirmations: float = 0.0
    num_best: int = 0
    best_candidate: float = 0.0
    stage_limit: float | None = None
    job_limit: float | None = None

    @property
    def seconds(self) -> float:
        """Until the job is done."""
        found = _at_most(self.start + self.trainings + self.end, self.stage_limit)
        return _at_most(found + self.later_trainings + self.later_beside, self.job_limit)


class Pace:
    """The time left of `total` equal pieces of work, from when each of them was seen to be done.

    The first ones only start the clock: before them stands what is done once (processes, data). Between two
    pieces the time left runs down with the clock.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.per_piece: float | None = None
        self._seen: float | None = None
        self._first: tuple[float, float] | None = None
        self._end: float | None = None

    def seconds_left(self, done: float, now: float) -> float | None:
        """What is left at the clock time `now`; None while there is no honest estimate."""
        if self._seen is not None and done != self._seen:
            if self._first is None:
                self._first = done, now
            elif done > self._first[0]:
                self.per_piece = (now - self._first[1]) / (done - self._first[0])
                self._end = now + self.per_piece * (self.total - done)
        self._seen = done
        return None if self._end is None or done == self.total else max(self._end - now, 0.0)


def epochs_done(begun: TrainingsStarted) -> list[int]:
    """Epochs that are over in each folder of models."""
    pairs = zip(begun.folders, begun.epochs_of_each, strict=True)
    return [_epochs_done(folder, num_epochs) for folder, num_epochs in pairs]


def trainings_pace(begun: TrainingsStarted) -> Pace:
    """The pace of trainings, in pieces that take equally long: those of who has fewer epochs count for more,
    as that is how trainings of equal time differ."""
    return Pace(max(begun.epochs_of_each) * len(begun.folders))


def pieces_done(begun: TrainingsStarted, done: Sequence[int]) -> float:
    """Of `trainings_pace`, when so many epochs are over in each folder."""
    epochs = begun.epochs_of_each
    return sum(number * max(epochs) / most for number, most in zip(done, epochs, strict=True))


def _epochs_done(folder: Path, num_epochs: int) -> int:
    """Epochs of a model's training that are over; all, if it is finished or failed."""
    if (folder / "model.json").exists() or (folder / "failed.json").exists():
        return num_epochs
    try:
        epochs = files.read_object(folder / "training.json").get("epochs")
        return len(epochs) if isinstance(epochs, list) else 0
    except OSError:  # not there yet, or whoever needs it says what is wrong
        return 0


class JobClock:
    """A listener to one stage: tells on what it hears, and after each event how long the job still takes."""

    def __init__(self, ahead: Ahead, tell: Listen, now: Callable[[], float] = time.monotonic) -> None:
        self.ahead, self.tell, self.now = ahead, tell, now
        self.began = now()
        self._work: _Searched | _Trained | None = None

    def joined_by(self, listener: Listen) -> JobClock:
        """The same clock, which `listener` hears before those that heard it until now."""
        joined = JobClock(self.ahead, both(listener, self.tell), self.now)
        joined.began = self.began
        return joined

    def __call__(self, event: JobEvent) -> None:
        """Hear one event."""
        self.tell(event)
        self._take(event)
        self.tell(JobLeft(self._left()))

    def _take(self, event: JobEvent) -> None:
        match event:
            case StepStarted(step):
                if not isinstance(self._work, _Searched):
                    self._work = _Searched(self.ahead, self.now)
                if step != self._work.step:  # a later round goes on with its step
                    self._work.begin(step)
            case CandidateFinished(evaluation, left) if isinstance(self._work, _Searched):
                self._work.finish(evaluation, left)
            case ConfirmationStarted(_, left) | ConfirmationFinished(left):
                if isinstance(self._work, _Searched) and left.search is not None:
                    self._work.hear(left)
            case TrainingsStarted():
                self._work = _Trained(self.ahead, self.now, event)
            case EpochFinished(what, epoch) if isinstance(self._work, _Trained):
                self._work.epoch(what, epoch)
            case ModelFinished(folder) if isinstance(self._work, _Trained):
                self._work.end(folder.name)

    def _left(self) -> float:
        ahead, elapsed = self.ahead, self.now() - self.began
        if self._work is None:
            stage, pace = max(ahead.start - elapsed, 0.0) + ahead.trainings, 1.0
        else:
            stage, pace = self._work.seconds_left(), self._work.pace()
        stage = _at_most(stage + ahead.end, ahead.stage_limit, elapsed)
        job = stage + pace * ahead.later_trainings + ahead.later_beside
        return max(_at_most(job, ahead.job_limit, elapsed), 0.0)


@dataclass
class _Finished:
    """Candidates of a step: how many, their wall seconds, and what was expected of them."""

    number: int = 0
    measured: float = 0.0
    expected: float = 0.0

    def add(self, measured: float, expected: float) -> None:
        self.number, self.measured = self.number + 1, self.measured + measured
        self.expected += expected

    @property
    def pace(self) -> float | None:
        """How much longer they take than was expected; None where they are too few to say."""
        if self.number < _MIN_FINISHED or self.expected <= 0:
            return None
        return _bounded(self.measured / self.expected)


class _Searched:
    """The steps of a search that goes on."""

    def __init__(self, ahead: Ahead, now: Callable[[], float]) -> None:
        self.ahead, self.now = ahead, now
        self.candidates = {item.step: item.candidate for item in ahead.steps}
        self.finished = {item.step: _Finished() for item in ahead.steps}
        self.best: list[tuple[float, float]] = []
        """(score, wall seconds) of the best cells that selection would train now."""
        self.begin(0)

    def begin(self, step: int) -> None:
        self.step, self.heard, self.left = step, self.now(), SecondsLeft(None, None)

    def finish(self, evaluation: Evaluation, left: SecondsLeft) -> None:
        self.hear(left)
        wall, expected = evaluation.wall_seconds, self.candidates.get(self.step)
        if wall is None or expected is None:
            return
        self.finished[self.step].add(wall, expected)
        if evaluation.score is not None and self.step > 0:
            self.best = sorted([*self.best, (evaluation.score, wall)], reverse=True)[: self.ahead.num_best]

    def hear(self, left: SecondsLeft) -> None:
        self.heard, self.left = self.now(), left

    def pace(self) -> float:
        """How much longer the trainings of later stages take than was expected: what the machine makes of
        cells that were foreseen, and from the first grown cells on what the best cells are."""
        last = max(self.candidates, default=0)
        grown = [found for step, found in self.finished.items() if step >= min(2, last)]
        if self.best and self.ahead.best_candidate and any(found.pace is not None for found in grown):
            walls = [wall for _, wall in self.best]
            return _bounded(sum(walls) / len(walls) / self.ahead.best_candidate)
        return self.pace_of_steps()

    def pace_of_steps(self) -> float:
        """How much longer candidates take, by the last step that says it: which cells a step selects is
        foreseen worse than what a cell takes, and the next step's are much like them."""
        known = [found.pace for _, found in sorted(self.finished.items()) if found.pace is not None]
        return known[-1] if known else 1.0

    def seconds_left(self) -> float:
        since = self.now() - self.heard
        if self.left.search is not None:
            return max(self.left.search - since, 0.0)
        # What the step itself cannot tell yet is as it was planned, at the pace that was measured.
        pace = self.pace_of_steps()
        planned = {item.step: pace * item.seconds for item in self.ahead.steps}
        own = planned.get(self.step, 0.0) if self.left.step is None else self.left.step
        later = sum(seconds for step, seconds in planned.items() if step > self.step)
        return max(own - since, 0.0) + later + pace * self.ahead.confirmations


class _Trained:
    """Trainings after the search, by their epochs."""

    def __init__(self, ahead: Ahead, now: Callable[[], float], begun: TrainingsStarted) -> None:
        self.now, self.begun = now, begun
        names = [folder.name for folder in begun.folders]
        self.done = dict(zip(names, epochs_done(begun), strict=True))
        self.epochs = dict(zip(names, begun.epochs_of_each, strict=True))
        self.clock, self.began = trainings_pace(begun), now()
        self.expected, self.num_before = ahead.trainings, sum(self.done.values())
        self.before = self._pieces
        self.clock.seconds_left(self.before, now())

    def epoch(self, what: str, epoch: int) -> None:
        if what in self.done:
            self.done[what] = epoch
            self.clock.seconds_left(self._pieces, self.now())

    def end(self, what: str) -> None:
        self.epoch(what, self.epochs.get(what, 0))

    @property
    def _pieces(self) -> float:
        return pieces_done(self.begun, list(self.done.values()))

    def pace(self) -> float:
        """How much longer epochs take than was expected: those of final training are of the same networks."""
        num_expected = self.clock.total - self.before
        if self.clock.per_piece is None or sum(self.done.values()) - self.num_before < _MIN_FINISHED:
            return 1.0
        return _bounded(self.clock.per_piece * num_expected / max(self.expected, 1e-9))

    def seconds_left(self) -> float:
        done = self._pieces
        if done >= self.clock.total:
            return 0.0
        left = self.clock.seconds_left(done, self.now())
        return max(self.expected - (self.now() - self.began), 0.0) if left is None else left


def _bounded(pace: float) -> float:
    return min(max(pace, 1 / _MOST_PACE), _MOST_PACE)


def _at_most(seconds: float, limit: float | None, elapsed: float = 0.0) -> float:
    return seconds if limit is None else min(seconds, limit - elapsed)
