"""`progress.json` of a run: how far the stage is that runs now, for whoever looks from outside; what happened
goes into the logs beside it (`logs`).

A view: it decides nothing, is not needed to go on, and a disk that refuses it harms nothing. It is replaced
as a whole, at most once a second but for what begins and ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from popnas import files
from popnas.errors import PopnasError, RunMovedError, StorageError, UserError
from popnas.events import (
    CandidateFinished,
    ConfirmationFinished,
    ConfirmationStarted,
    EpochFinished,
    JobEvent,
    JobLeft,
    Listen,
    ModelFinished,
    PhaseAdvanced,
    PhaseStarted,
    StepStarted,
    TrainingsStarted,
    Warned,
    both,
)
from popnas.records import Record
from popnas.runs.stored.countdown import JOB, Countdown
from popnas.runs.stored.job_clock import JobClock
from popnas.runs.stored.logs import Advise, StageLog, no_advice, stage_failed
from popnas.runs.stored.rules import is_text, list_of
from popnas.storage import write_bytes, write_json

FORMAT = 1
_LEAST_SECONDS = 1.0
_MOST_WARNINGS = 20


@contextmanager
def kept(path: Path, stage: str, tell: Listen, advise: Advise = no_advice) -> Iterator[Listen]:
    """`path` says how far `stage` is while the block runs, from what is told to the listener that it gets;
    `tell` hears that, too. How it ended stands there afterwards: "finished", "interrupted" or "failed". What
    happened stands in `debug.log` beside it, and what ended it in `critical.log`, with what `advise` knows.
    A user's mistake that ends it before it has begun to train leaves the file as it was: it says nothing of
    the run.
    """
    file, log = _ProgressFile(path, stage), StageLog(path.with_name("debug.log"), stage)
    written = both(file.hear, log.hear)
    ended = "finished"
    try:
        yield tell.joined_by(written) if isinstance(tell, JobClock) else both(written, tell)
    except KeyboardInterrupt:
        ended = "interrupted"
        raise
    except BaseException as error:
        is_moved = isinstance(error, RunMovedError)  # another run is there now
        ended = "refused" if isinstance(error, UserError) and not (file.has_begun or is_moved) else "failed"
        if isinstance(error, Exception) and ended == "failed" and not is_moved:
            stage_failed(path.with_name("critical.log"), stage, error, advise)
        raise
    finally:
        if ended == "refused":
            file.put_back()
        else:
            file.end(ended)
        log.say(ended)


def warnings(path: Path) -> list[str]:
    """The newest warnings of the stage that ran last; none where the file tells of none."""
    try:
        found: Any = files.read_object(path).get("warnings")
    except OSError:
        return []
    return list(found) if list_of(is_text)(found) else []


@dataclass(frozen=True)
class EpochsOver(Record):
    """How far the training of a network is."""

    epoch: int
    num_epochs: int


@dataclass(frozen=True)
class HowFar(Record):
    """What stands in the file.

    `state`: "running", or how it ended; a process that was killed leaves "running" with its `pid`. `phase`:
    what is going on, in words; `done` and `total`: its pieces (None: not counted). `networks`: those that
    train now, each with its epoch. `best_score`: of the search so far in this process. `seconds_left`: of a
    search those of its "step" and of the whole "search", of a phase whose pieces are counted those of the
    "phase", and where a whole job runs the stage those of the "job"; None while there is no honest estimate.
    All are as of `updated`, when it was written, and none is more than the job's or than what a time limit
    leaves.
    """

    format: int
    stage: str
    state: str
    pid: int
    started: str
    phase: str = "starting"
    done: int = 0
    total: int | None = None
    networks: Mapping[str, EpochsOver] = field(default_factory=dict)
    best_score: float | None = None
    seconds_left: Mapping[str, float | None] | None = None
    warnings: Sequence[str] = ()
    updated: str = ""


class _ProgressFile:
    """Takes in what a job tells, and writes it down now and then."""

    def __init__(self, path: Path, stage: str) -> None:
        self._path, self.has_begun = path, False
        self._before = _bytes_of(path)
        self._written = float("-inf")
        self._note = HowFar(FORMAT, stage, "running", os.getpid(), _now())
        self._countdown = Countdown()

    def hear(self, event: JobEvent) -> None:
        """Take in what a job tells."""
        if self._take(event) or time.monotonic() - self._written >= _LEAST_SECONDS:
            self._write()

    def end(self, state: str) -> None:
        """The stage is over."""
        self._change(state=state, networks={})
        self._countdown = Countdown()
        self._write()

    def put_back(self) -> None:
        """Nothing was done."""
        with suppress(PopnasError, OSError):
            if self._before is not None:
                write_bytes(self._path, self._before)
            else:
                self._path.unlink(missing_ok=True)

    def _take(self, event: JobEvent) -> bool:
        """Whether something else begins, which is worth a file at once."""
        self.has_begun |= isinstance(event, StepStarted | ConfirmationStarted | TrainingsStarted)
        match event:
            case PhaseStarted(text, total):
                return self._begin(text, total)
            case StepStarted(step, num_candidates, num_done, round_number):
                of_round = f", round {round_number + 1}" if round_number else ""
                return self._begin(f"step {step}{of_round}", num_candidates, num_done)
            case ConfirmationStarted(num_networks, left):
                self._begin("confirmation", num_networks)
                self._countdown.hear(left)
                return True
            case TrainingsStarted(folders):
                return self._begin("training", len(folders))
            case PhaseAdvanced(done):
                self._countdown.hear(event)
                self._change(done=done)
            case CandidateFinished(evaluation, left):
                self._finish(str(evaluation.index))
                self._countdown.hear(left)
                if evaluation.score is not None and evaluation.step > 0:
                    self._change(best_score=max(self._note.best_score or 0.0, evaluation.score))
            case JobLeft():
                is_first = JOB not in self._countdown.left()
                self._countdown.hear(event)
                return is_first
            case ConfirmationFinished(left):
                self._countdown.hear(left)
                self._change(done=self._note.done + 1)
            case ModelFinished(folder):
                self._finish(folder.name)
            case EpochFinished(what, epoch, num_epochs):
                self._change(networks={**self._note.networks, what: EpochsOver(epoch, num_epochs)})
            case Warned(text):
                self._change(warnings=[*self._note.warnings, text][-_MOST_WARNINGS:])
        return False

    def _begin(self, phase: str, total: int | None, done: int = 0) -> bool:
        self._change(phase=phase, total=total, done=done, networks={})
        self._countdown.begin()
        return True

    def _finish(self, network: str) -> None:
        others = {name: epochs for name, epochs in self._note.networks.items() if name != network}
        self._change(networks=others, done=self._note.done + 1)

    def _change(self, **fields: Any) -> None:
        self._note = replace(self._note, **fields)

    def _write(self) -> None:
        self._written = time.monotonic()
        if not self._path.parent.is_dir():
            return  # moved or removed meanwhile: it is not made again for this
        with suppress(StorageError):
            left = {
                name: None if each is None else each.seconds for name, each in self._countdown.left().items()
            }
            note = replace(self._note, seconds_left=left or None, updated=_now())
            write_json(self._path, note.to_json())


def _bytes_of(path: Path) -> bytes | None:
    try:
        return files.read_bytes(path)
    except OSError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
