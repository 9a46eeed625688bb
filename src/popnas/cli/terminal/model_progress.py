"""The progress of trainings after the search: a bar over all epochs on a terminal, lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from popnas.cli.terminal.bar import Bar, bar_on, error_console, is_drawn, say
from popnas.cli.terminal.json_log import JSON_LOG
from popnas.cli.terminal.output import words_of
from popnas.cli.terminal.progress import TimesLeft
from popnas.events import (
    JobEvent,
    JobLeft,
    Listen,
    ModelFinished,
    PhaseAdvanced,
    PhaseStarted,
    RunOpened,
    TrainingsStarted,
    Warned,
    nobody,
)
from popnas.printable import counted, quoted
from popnas.runs.stored.countdown import PHASE
from popnas.runs.stored.job_clock import epochs_done, pieces_done, trainings_pace
from popnas.runs.stored.logs import epochs_in_words

_POLL_SECONDS = 1.0


@contextmanager
def model_listener(*, is_quiet: bool) -> Iterator[Listen]:
    """A listener that draws on standard error: a bar on a terminal, else a line per model; or none."""
    console = error_console()
    if JSON_LOG.is_on:
        yield JSON_LOG
    elif is_quiet:
        yield nobody
    elif not is_drawn(console):
        yield _ModelLines(console)
    else:
        with bar_on(console) as bar:
            drawn = _ModelBar(console, bar)
            try:
                yield drawn
            finally:
                drawn.stop()


@contextmanager
def job_listener(*, is_quiet: bool) -> Iterator[JobListener]:
    """A listener for a job whose stages draw their own progress: between them a bar on a terminal, else
    lines; or none."""
    listener = JobListener(None if is_quiet or JSON_LOG.is_on else error_console())
    try:
        yield listener
    finally:
        listener.stop()


class JobListener:
    """Remembers the run folder. Its bar stands from the start or a phase until something else is told, since
    the stages, which are told before they begin, write on the same terminal."""

    def __init__(self, console: Console | None) -> None:
        self.console = console
        self.folder: Path | None = None
        self._is_drawn = console is not None and is_drawn(console)
        self._drawing = ExitStack()
        self._bar: Bar | None = None
        if self._is_drawn:
            self._draw("starting")

    def __call__(self, event: JobEvent) -> None:
        """Hear one event."""
        JSON_LOG(event)
        line = words_of(event)
        if isinstance(event, RunOpened):
            self.folder, line = event.folder, f"Run folder: {quoted(event.folder)}"
        if self._is_drawn and isinstance(event, PhaseStarted):
            self._draw(event.text, event.total)
        elif isinstance(event, PhaseAdvanced):
            if self._bar is not None:
                self._bar.update(event.done, event.what)
        elif self.console is not None and line is not None:
            if not isinstance(event, Warned):
                self.stop()
            say(self.console, line)

    def _draw(self, text: str, total: int | None = None) -> None:
        """Have the bar of what begins."""
        if self._bar is not None:
            self._bar.start(text, total)
        elif self.console is not None:
            self._bar = self._drawing.enter_context(bar_on(self.console, text, total))

    def stop(self) -> None:
        """Take the bar away."""
        self._bar = None
        self._drawing.close()


class _ModelLines:
    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, event: JobEvent) -> None:
        if (line := self._line(event)) is not None:
            say(self.console, line)

    def _line(self, event: JobEvent) -> str | None:
        match event:
            case TrainingsStarted(folders):
                return (
                    f"training {_models(folders)}, {epochs_in_words(event)}, in {quoted(folders[0].parent)}"
                )
            case ModelFinished(folder, text):
                return f"{folder.name}: {text}"
        return words_of(event)


class _ModelBar(_ModelLines):
    """Reads how far the trainings are from their folders, since they may run in other processes."""

    def __init__(self, console: Console, bar: Bar) -> None:
        super().__init__(console)
        self.bar = bar
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None
        self._left = TimesLeft()
        bar.update(0, self._left.words)

    def __call__(self, event: JobEvent) -> None:
        match event:
            case PhaseStarted(text, total):
                self.stop()
                self._left.begin()
                self.bar.start(text, total)
                self.bar.update(0, self._left.words)
            case PhaseAdvanced(done, what):
                self._left.hear(event)
                self.bar.update(done, what, self._left.words)
            case TrainingsStarted(limit=limit):
                self._left.begin(limit)
                self._watch_from_now(event)
            case JobLeft():
                self._left.hear(event)
            case _:
                super().__call__(event)

    def _watch_from_now(self, begun: TrainingsStarted) -> None:
        self.stop()
        self._stopped.clear()
        self.bar.start(
            f"training {_models(begun.folders)}, epochs",
            sum(begun.epochs_of_each),
            sum(epochs_done(begun)),
        )
        self._watcher = threading.Thread(target=self._watch, args=(begun,), daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End the watch of the folders."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def _watch(self, begun: TrainingsStarted) -> None:
        pace = trainings_pace(begun)
        is_over = False
        while not is_over:
            is_over = self._stopped.wait(_POLL_SECONDS)  # then once more, for the end as it was
            done = epochs_done(begun)
            self._left.expect(PHASE, pace.seconds_left(pieces_done(begun, done), time.monotonic()))
            self.bar.update(sum(done), self._left.words)


def _models(folders: Sequence[Path]) -> str:
    return counted(len(folders), "model")
