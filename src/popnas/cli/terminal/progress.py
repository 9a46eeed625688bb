"""The progress of a search on a terminal; quiet when nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from popnas.cli.terminal.bar import Bar, bar_on, error_console, is_drawn, say
from popnas.cli.terminal.ending import ENDING
from popnas.command_lines import as_argument
from popnas.evaluation import Evaluation
from popnas.workflows.searching.progress import Listener, SecondsLeft

CONFIRMING = "confirming the best cells with other seeds"


@contextmanager
def progress_listener(*, is_quiet: bool) -> Iterator[TerminalListener]:
    """A listener that draws on standard error: a bar on a terminal, else one line per step and warning."""
    console = error_console()
    if is_quiet:
        yield TerminalListener()
    elif not is_drawn(console):
        yield _SearchLines(console)
    else:
        with bar_on(console) as bar:
            yield _SearchBar(console, bar)


class TerminalListener(Listener):
    """A silent listener that remembers the run folder, to tell how an interrupted run goes on."""

    folder: Path | None = None

    def run_opened(self, folder: Path) -> None:
        """Remember the folder."""
        self.folder = folder


class _SearchLines(TerminalListener):
    def __init__(self, console: Console) -> None:
        self.console = console

    def run_opened(self, folder: Path) -> None:
        super().run_opened(folder)
        if not ENDING.is_stage:  # else the job has told it
            self.message(f"Run folder: {as_argument(folder)}")

    def message(self, text: str) -> None:
        say(self.console, text)

    def phase(self, text: str) -> None:
        self.message(text)

    def counting_started(self, text: str, total: int) -> None:
        self.message(text)

    def step_started(self, step: int, num_candidates: int, num_done: int) -> None:
        done = f", {num_done} of them trained before" if num_done else ""
        self.message(f"{step_title(step)}: {_networks(num_candidates)}{done}")

    def candidate_finished(self, evaluation: Evaluation, seconds_left: SecondsLeft) -> None:
        if evaluation.is_failed:
            self.message(f"failed: {evaluation.cell}: {evaluation.error}")

    def confirmation_started(self, num_networks: int) -> None:
        self.message(f"{CONFIRMING}: {_networks(num_networks)}")


class _SearchBar(_SearchLines):
    def __init__(self, console: Console, bar: Bar) -> None:
        super().__init__(console)
        self.bar = bar
        self.best: float | None = None

    def phase(self, text: str) -> None:
        self.bar.start(text)

    def counting_started(self, text: str, total: int) -> None:
        self.bar.start(text, total)

    def counted(self, done: int, what: str = "") -> None:
        self.bar.update(done, what)

    def step_started(self, step: int, num_candidates: int, num_done: int) -> None:
        self.bar.start(step_title(step), num_candidates, num_done)

    def candidate_finished(self, evaluation: Evaluation, seconds_left: SecondsLeft) -> None:
        super().candidate_finished(evaluation, seconds_left)
        if evaluation.score is not None and evaluation.step > 0:
            self.best = max(self.best or 0.0, evaluation.score)
        best = f"best {self.best:.4f}" if self.best is not None else ""
        self.bar.update(self.bar.done + 1, best, left_text(seconds_left))

    def confirmation_started(self, num_networks: int) -> None:
        self.bar.start(CONFIRMING, num_networks)

    def confirmation_finished(self) -> None:
        self.bar.update(self.bar.done + 1)


def _networks(count: int) -> str:
    return f"{count:,} network{'s' * (count != 1)}"


def step_title(step: int) -> str:
    """What a step trains, in words."""
    return {0: "step 0, no cell", 1: "step 1, cells of 1 block"}.get(
        step, f"step {step}, cells of {step} blocks"
    )


def left_text(left: SecondsLeft) -> str:
    """The time left in words; empty while there is no honest estimate."""
    parts = []
    if left.step is not None:
        parts.append(f"this step: {duration(left.step)} left")
    if left.search is not None:
        parts.append(f"whole search: about {duration(left.search)} left")
    return ", ".join(parts)


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
