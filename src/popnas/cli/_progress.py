"""The progress of a search on a terminal; quiet when nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from popnas.evaluation import Evaluation
from popnas.workflows.progress import Listener, SecondsLeft


@contextmanager
def progress_listener(*, is_quiet: bool) -> Iterator[TerminalListener]:
    """A listener that draws on standard error: a bar on a terminal, else one line per step and warning."""
    console = Console(stderr=True, highlight=False)
    if is_quiet:
        yield TerminalListener()
    elif not console.is_terminal:
        yield _Lines(console)
    else:
        with _bar(console) as bar:
            yield _Bar(console, bar)


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[best]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
    )


class TerminalListener(Listener):
    """A silent listener that remembers the run folder, to tell how an interrupted run goes on."""

    folder: Path | None = None

    def run_opened(self, folder: Path) -> None:
        """Remember the folder."""
        self.folder = folder


class _Lines(TerminalListener):
    def __init__(self, console: Console) -> None:
        self.console = console

    def run_opened(self, folder: Path) -> None:
        super().run_opened(folder)
        self.message(f"Run folder: {folder}")

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def phase(self, text: str) -> None:
        self.message(text)

    def step_started(self, step: int, num_candidates: int, num_done: int) -> None:
        done = f", {num_done} of them trained before" if num_done else ""
        self.message(f"{step_title(step)}: {num_candidates} networks{done}")

    def candidate_finished(self, evaluation: Evaluation, seconds_left: SecondsLeft) -> None:
        if evaluation.is_failed:
            self.message(f"failed: {evaluation.cell}: {evaluation.error}")


class _Bar(_Lines):
    def __init__(self, console: Console, bar: Progress) -> None:
        super().__init__(console)
        self.bar = bar
        self.best: float | None = None
        self.task = bar.add_task("starting", total=None, best="", left="")

    def message(self, text: str) -> None:
        self.bar.console.print(text, markup=False, soft_wrap=True)

    def phase(self, text: str) -> None:
        self.bar.reset(self.task, total=None, description=text, left="")

    def step_started(self, step: int, num_candidates: int, num_done: int) -> None:
        self.bar.reset(
            self.task, total=num_candidates, completed=num_done, description=step_title(step), left=""
        )

    def candidate_finished(self, evaluation: Evaluation, seconds_left: SecondsLeft) -> None:
        super().candidate_finished(evaluation, seconds_left)
        if evaluation.score is not None and evaluation.step > 0:
            self.best = max(self.best or 0.0, evaluation.score)
        best = f"best {self.best:.4f}" if self.best is not None else ""
        self.bar.update(self.task, advance=1, best=best, left=left_text(seconds_left))


def step_title(step: int) -> str:
    """What a step trains, in words."""
    return {0: "step 0, no cell", 1: "step 1, cells of 1 block"}.get(
        step, f"step {step}, cells of {step} blocks"
    )


def left_text(left: SecondsLeft) -> str:
    """The time left in words; empty while there is no honest estimate."""
    parts = []
    if left.step is not None:
        parts.append(f"step {duration(left.step)} left")
    if left.search is not None:
        parts.append(f"search about {duration(left.search)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds for people: "48 s", "12 min", "3 h 20 min"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
