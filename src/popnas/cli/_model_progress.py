"""The progress of trainings after the search: a bar over all epochs on a terminal, lines elsewhere."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
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

from popnas.cli._progress import duration
from popnas.workflows.model_progress import ModelListener

_POLL_SECONDS = 1.0


@contextmanager
def model_listener(*, is_quiet: bool) -> Iterator[ModelListener]:
    """A listener that draws on standard error: a bar on a terminal, else a line per model; or none."""
    console = Console(stderr=True, highlight=False)
    if is_quiet:
        yield ModelListener()
    elif not console.is_terminal:
        yield _Lines(console)
    else:
        with _progress(console) as progress:
            bar = _Bar(console, progress)
            try:
                yield bar
            finally:
                bar.stop()


def job_listener(*, is_quiet: bool) -> JobListener:
    """A listener for jobs whose stages draw their own progress: lines only, or none."""
    return JobListener(None if is_quiet else Console(stderr=True, highlight=False))


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
    )


class _Lines(ModelListener):
    def __init__(self, console: Console) -> None:
        self.console = console

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def phase(self, text: str) -> None:
        self.message(text)

    def training_started(self, folders: Sequence[Path], num_epochs: int) -> None:
        models = "1 model" if len(folders) == 1 else f"{len(folders)} models"
        self.message(f"training {models}, {num_epochs} epochs each, in {folders[0].parent}")

    def model_finished(self, folder: Path, text: str) -> None:
        self.message(f"{folder.name}: {text}")


class JobListener(ModelListener):
    """Prints lines, if it has a console, and remembers the run folder."""

    def __init__(self, console: Console | None) -> None:
        self.console = console
        self.folder: Path | None = None

    def job_opened(self, folder: Path) -> None:
        self.folder = folder
        self.message(f"Run folder: {folder}")

    def message(self, text: str) -> None:
        if self.console is not None:
            self.console.print(text, markup=False, soft_wrap=True)

    def phase(self, text: str) -> None:
        self.message(text)


class _Bar(_Lines):
    """Reads how far the trainings are from their folders, since they may run in other processes."""

    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__(console)
        self.progress = progress
        self.task = progress.add_task("starting", total=None, left="")
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None

    def message(self, text: str) -> None:
        self.progress.console.print(text, markup=False, soft_wrap=True)

    def phase(self, text: str) -> None:
        self.stop()
        self.progress.reset(self.task, total=None, description=text, left="")

    def training_started(self, folders: Sequence[Path], num_epochs: int) -> None:
        self._stopped.clear()
        self.progress.reset(self.task, total=num_epochs * len(folders), description="epochs", left="")
        self._watcher = threading.Thread(target=self._watch, args=(folders, num_epochs), daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End the watch of the folders."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def _watch(self, folders: Sequence[Path], num_epochs: int) -> None:
        began, at_first = time.monotonic(), sum(_epochs_done(folder, num_epochs) for folder in folders)
        while not self._stopped.wait(_POLL_SECONDS):
            done = sum(_epochs_done(folder, num_epochs) for folder in folders)
            left = ""
            if done > at_first:
                to_do = num_epochs * len(folders) - done
                left = f"about {duration((time.monotonic() - began) / (done - at_first) * to_do)} left"
            self.progress.update(self.task, completed=done, left=left)


def _epochs_done(folder: Path, num_epochs: int) -> int:
    """Epochs of a model's training that are over; all, if it is finished or failed."""
    if (folder / "model.json").exists() or (folder / "failed.json").exists():
        return num_epochs
    try:
        return len(json.loads((folder / "training.json").read_bytes())["epochs"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
