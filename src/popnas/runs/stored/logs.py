"""`debug.log` and `critical.log` of a run, for whoever looks at it afterwards: what its stages told, beside
what workers printed, and failures with tracebacks and what to do about them.

Neither decides anything, and neither holds what is secret (`printable.without_secrets`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from popnas.errors import PopnasError, UserError
from popnas.evaluation import Evaluation
from popnas.events import (
    CandidateFinished,
    ConfirmationStarted,
    JobEvent,
    ModelFinished,
    PhaseStarted,
    RunOpened,
    StepStarted,
    Told,
    TrainingsStarted,
    Warned,
)
from popnas.printable import counted, one_line, printable, quoted, without_secrets
from popnas.storage import storage_errors

Advise = Callable[[BaseException], str | None]
"""What to do about an error, where more is known than its own message says."""

_MISTAKE = (
    "This is a mistake in popnas or in a part that it was given, not in your input. Please report it with "
    "these lines and what `popnas doctor` prints."
)


def no_advice(error: BaseException) -> str | None:
    """Knows nothing more."""


class StageLog:
    """The lines of one stage in `debug.log`: `time stage: what was told`. A disk that refuses them harms
    nothing."""

    def __init__(self, path: Path, stage: str) -> None:
        self._path, self._stage = path, stage

    def hear(self, event: JobEvent) -> None:
        """Write an event down, if it says what happened: epochs and times left do not."""
        if (words := _words(event)) is not None:
            self.say(words)

    def say(self, words: str) -> None:
        """Write a line."""
        line = f"{_now()} {self._stage}: {one_line(without_secrets(words))}\n"
        with suppress(OSError), self._path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(line)


def failed(path: Path, what: str, found: str | None, advice: str | None) -> None:
    """Add a failure to `critical.log`: what failed and why, what to do, and the traceback, if there is one.

    Raises:
        StorageError: the disk refused.
    """
    advised = [f"What to do: {advice.strip()}"] if advice else []
    lines = [f"{_now()} {what}", *advised, *([found.rstrip()] if found else []), ""]
    text = printable(without_secrets("\n".join(lines)))
    with storage_errors(path), path.open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"{text}\n")


def stage_failed(path: Path, stage: str, error: Exception, advise: Advise) -> None:
    """Add to `critical.log` what ended a stage. A user's mistake says itself what to do, and its traceback
    would tell nothing more."""
    is_expected = isinstance(error, PopnasError)
    advice = advise(error) or (None if is_expected else _MISTAKE)
    found = None if isinstance(error, UserError) else "".join(traceback.format_exception(error))
    what = f"{stage} ended: {error}" if is_expected else f"{stage} ended: {type(error).__name__}: {error}"
    with suppress(PopnasError):
        failed(path, what, found, advice)


def epochs_in_words(begun: TrainingsStarted) -> str:
    """How many epochs each network is trained."""
    fewest, most = min(begun.epochs_of_each), max(begun.epochs_of_each)
    if fewest < most:
        return f"{fewest:,} to {most:,} epochs, each for about as long"
    return f"{counted(most, 'epoch')}{' each' if len(begun.folders) > 1 else ''}"


def _words(event: JobEvent) -> str | None:
    match event:
        case Told(text):
            return text
        case PhaseStarted(text, total):
            return text if total is None else f"{text}: {total} in all"
        case Warned(text):
            return f"Warning: {text}"
        case RunOpened(folder):
            return f"run folder {quoted(folder)}"
        case StepStarted(step, num_candidates, num_done, round_number):
            of_round = f", round {round_number + 1}" if round_number else ""
            return f"step {step}{of_round}: {counted(num_candidates, 'network')}, {num_done} of them done"
        case CandidateFinished(evaluation):
            return f"network {evaluation.step}/{evaluation.index} {evaluation.cell}: {_came_to(evaluation)}"
        case ConfirmationStarted(num_networks):
            return f"confirmation: {counted(num_networks, 'network')}"
        case TrainingsStarted(folders):
            return f"training {counted(len(folders), 'model')}, {epochs_in_words(event)}"
        case ModelFinished(folder, text):
            return f"{folder.name}: {text}"
    return None


def _came_to(evaluation: Evaluation) -> str:
    if evaluation.score is None:
        return f"failed ({evaluation.error_kind}): {evaluation.error}"
    seconds = evaluation.training_seconds
    return f"score {evaluation.score:.4f}{'' if seconds is None else f' in {seconds:.3g} s'}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
