"""The progress of a search on a terminal; quiet when nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from popnas.cli.terminal.bar import Bar, bar_on, error_console, is_drawn, say
from popnas.cli.terminal.ending import ENDING
from popnas.cli.terminal.json_log import JSON_LOG
from popnas.cli.terminal.output import words_of
from popnas.events import (
    CandidateFinished,
    ConfirmationFinished,
    ConfirmationStarted,
    JobEvent,
    JobLeft,
    PhaseAdvanced,
    PhaseStarted,
    RunOpened,
    StepStarted,
)
from popnas.printable import counted, quoted
from popnas.runs.stored.countdown import JOB, PHASE, Countdown, Left

CONFIRMING = "confirming the best cells with other seeds"


@contextmanager
def progress_listener(*, is_quiet: bool) -> Iterator[TerminalListener]:
    """A listener that draws on standard error: a bar on a terminal, else one line per step and warning. With
    `--log-json` it draws nothing."""
    console = error_console()
    if is_quiet or JSON_LOG.is_on:
        yield TerminalListener()
    elif not is_drawn(console):
        yield _SearchLines(console)
    else:
        with bar_on(console) as bar:
            yield _SearchBar(console, bar)


class TerminalListener:
    """Remembers the run folder, to tell how an interrupted run goes on; silent, but for `--log-json`."""

    folder: Path | None = None

    def __call__(self, event: JobEvent) -> None:
        """Hear one event."""
        if isinstance(event, RunOpened):
            self.folder = event.folder
        JSON_LOG(event)


class _SearchLines(TerminalListener):
    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, event: JobEvent) -> None:
        super().__call__(event)
        if (line := self._line(event)) is not None:
            say(self.console, line)

    def _line(self, event: JobEvent) -> str | None:
        match event:
            case RunOpened(folder):
                # Of a stage the job has told it.
                return None if ENDING.is_stage else f"Run folder: {quoted(folder)}"
            case StepStarted(_, num_candidates, num_done):
                done = f", {num_done} of them trained before" if num_done else ""
                return f"{step_title(event)}: {counted(num_candidates, 'network')}{done}"
            case CandidateFinished(evaluation) if evaluation.is_failed:
                return f"failed: {evaluation.cell}: {evaluation.error}"
            case ConfirmationStarted(num_networks):
                return f"{CONFIRMING}: {counted(num_networks, 'network')}"
        return words_of(event)


class _SearchBar(_SearchLines):
    def __init__(self, console: Console, bar: Bar) -> None:
        super().__init__(console)
        self.bar = bar
        self.best: float | None = None
        self.left = TimesLeft()
        bar.update(0, self.left.words)

    def __call__(self, event: JobEvent) -> None:
        match event:
            case PhaseStarted(text, total):
                self.bar.start(text, total)
            case PhaseAdvanced(done, what):
                self.left.hear(event)
                self.bar.update(done, what, self.left.words)
            case StepStarted(_, num_candidates, num_done):
                self.bar.start(step_title(event), num_candidates, num_done)
            case ConfirmationStarted(num_networks, left):
                self.bar.start(CONFIRMING, num_networks)
                self.left.begin()
                self.left.hear(left)
                self._show(0)
            case ConfirmationFinished(left):
                self.left.hear(left)
                self._show(self.bar.done + 1)
            case JobLeft():
                self.left.hear(event)
            case _:
                super().__call__(event)
        if isinstance(event, PhaseStarted | StepStarted):
            self.left.begin()
            self._show(self.bar.done)
        if isinstance(event, CandidateFinished):
            self._finished(event)

    def _finished(self, event: CandidateFinished) -> None:
        evaluation = event.evaluation
        if evaluation.score is not None and evaluation.step > 0:
            self.best = max(self.best or 0.0, evaluation.score)
        self.left.hear(event.seconds_left)
        self._show(self.bar.done + 1)

    def _show(self, done: int) -> None:
        best = f"best {self.best:.4f}" if self.best is not None else ""
        self.bar.update(done, best, self.left.words)


def step_title(event: StepStarted) -> str:
    """What a step trains, in words."""
    step = event.step
    if step < 2:
        return ("step 0, no cell", "step 1, cells of 1 block")[step]
    round_of = f", round {event.round_number + 1} of {event.num_rounds}" if event.num_rounds > 1 else ""
    return f"step {step}, cells of {step} blocks{round_of}"


_WHAT = {PHASE: "", "step": "this step: ", "search": "whole search: ", JOB: "whole job: "}


class TimesLeft(Countdown):
    """Times left in words."""

    def words(self) -> str:
        """What is left now; empty while there is no honest estimate, as one that ran out is none."""
        found = self.left()
        shown = [(name, left) for name in _WHAT if (left := found.get(name)) is not None]
        if sum(left.by_limit for _, left in shown) > 1:  # a step that the search's limit ends: say it once
            shown = [(name, left) for name, left in shown if name != "step"]
        return ", ".join(
            f"{_WHAT[name]}{_words(name, left)}" for name, left in shown if left.seconds or name == JOB
        )


def _words(name: str, left: Left) -> str:
    if left.by_limit:
        return f"ends by its limit in {duration(left.seconds)}"
    return f"{'' if name == 'step' else 'about '}{duration(left.seconds)} left"


def duration(seconds: float) -> str:
    """Seconds for people: "< 1 s", "48 s", "12 min", "3 h 20 min"."""
    if 0 < seconds < 0.5:
        return "< 1 s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
