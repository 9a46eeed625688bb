"""`popnas.watch(path)`: a run that another process works on, live in a notebook; lines elsewhere. Never
imports torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from popnas import files
from popnas.api.run import Run
from popnas.errors import UserError
from popnas.printable import counted, printable
from popnas.report import markup
from popnas.runs.watched import RunSeen, Watched

FIGURES = ("pareto_fronts", "score_over_time")
"""What is shown unless other figures are asked for."""


def watch(path: Path | str, *, figures: tuple[str, ...] = FIGURES, seconds: float = 2.0) -> Run:
    """Show how far a run is, with its front as it grows, until nothing works on it any more.

    In a notebook these are the figures of the report, drawn again whenever a network is done, in place of the
    ones before; elsewhere a line is printed instead. Interrupting it (the stop button, Ctrl-C) ends the
    watching and never the run.

    Args:
        path: the run folder.
        figures: names of figures (`popnas.Run.plots` lists those that apply).
        seconds: between two looks.

    Returns:
        The run as it is at the end.

    Raises:
        RunFolderError: no run is there.
        UnknownNameError: there is no such figure.
        UserError: `seconds` is not above 0.

    Example:
        >>> popnas.watch("logs/my_run")
    """
    from popnas.report import figures as registered

    if not seconds > 0:
        raise UserError(f"`seconds` {seconds}: between two looks there must be more than 0 seconds.")
    for name in figures:
        registered.FIGURES.get(name)
    place = files.user_path(files.given(path, "the run folder"))
    watched, shown = Watched(place), _shown_by(place, figures)
    last: RunSeen | None = None
    try:
        while True:
            seen = watched.look()
            if seen != last:
                shown(seen)
            if not seen.is_running:
                break
            last = seen
            time.sleep(seconds)
    except KeyboardInterrupt:
        pass
    return Run(place)


class _Handle(Protocol):
    """What IPython gives for something that is displayed."""

    def update(self, thing: Any) -> None:
        """Show something else in its place."""


def _shown_by(place: Path, figures: tuple[str, ...]) -> Callable[[RunSeen], None]:
    display = _display()
    return _Lines() if display is None else _Live(place, figures, display)


def _display() -> Callable[..., Any] | None:
    """IPython's function that shows things, where this is a notebook's kernel; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):  # a terminal shows no pictures
        return None
    from IPython.display import display

    found: Callable[..., Any] = display
    return found


class _Page:
    """HTML that a notebook shows; as a text it is one line."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class _Live:
    """Draws the figures anew when there is another network, the line above them at every change."""

    def __init__(self, place: Path, figures: tuple[str, ...], display: Callable[..., Any]) -> None:
        self._place, self._figures, self._display = place, figures, display
        self._handle: _Handle | None = None
        self._drawn: tuple[int, str] = (-1, "")

    def __call__(self, seen: RunSeen) -> None:
        if seen.num_networks != self._drawn[0]:
            run = Run(self._place)
            self._drawn = seen.num_networks, "".join(run.picture(name) for name in self._figures)
        line = line_of(seen)
        page = _Page(f"<div><p>{_bar(seen)} {markup.text(line)}</p>{self._drawn[1]}</div>", line)
        if self._handle is None:
            self._handle = self._display(page, display_id=True)
        else:
            self._handle.update(page)


def _bar(seen: RunSeen) -> str:
    if not seen.total:
        return ""
    label = markup.text(f"{seen.done} of {seen.total}")
    return f'<progress value="{seen.done}" max="{seen.total}" aria-label="{label}"></progress>'


class _Lines:
    """Prints a line per network and phase."""

    def __init__(self) -> None:
        self._said: tuple[object, ...] | None = None

    def __call__(self, seen: RunSeen) -> None:
        said = (seen.words, seen.phase, seen.num_networks)
        if said != self._said:
            self._said = said
            sys.stdout.write(f"{line_of(seen)}\n")
            sys.stdout.flush()


def line_of(seen: RunSeen) -> str:
    """How far a run is, in a line."""
    count = "" if seen.total is None else f" {seen.done}/{seen.total}"
    parts = [seen.words if not seen.is_running else f"{seen.phase or seen.words}{count}"]
    parts.append(counted(seen.num_networks, "network"))
    if seen.num_failed:
        parts.append(f"{seen.num_failed} failed")
    if seen.best_score is not None:
        parts.append(f"best {seen.best_score:.4f}")
    left = seen.seconds_left.get("job") or seen.seconds_left.get("search") or seen.seconds_left.get("step")
    if left is not None:
        parts.append(f"about {markup.duration(left)} left")
    return printable(", ".join(parts))
