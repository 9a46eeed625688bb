"""`popnas watch`: how far a run is that another process works on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.output import echo, print_json_line
from popnas.printable import counted, quoted

if TYPE_CHECKING:
    from popnas.runs.watched import RunSeen

_POLL_SECONDS = 1.0


@click.command("watch")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--once", "is_once", is_flag=True, help="Tell how far it is now, and end.")
@click.option("--json", "is_json", is_flag=True, help="Print an object per change instead, one a line.")
def command(run: Path, is_once: bool, is_json: bool) -> None:
    """Show how far a run is, from another terminal or machine, until its stage ends.

    It reads the run's folder alone and writes nothing. Ctrl-C ends the watching, never the run. Where the
    output is no terminal, there is a line per network and phase.
    """
    from popnas.runs.watched import Watched

    watched = Watched(run)
    shown = _seen(watched.look, is_once=is_once)
    if is_json:
        for seen in shown:
            print_json_line(json.dumps(seen.to_json()))
        return
    with ExitStack() as stack:
        _draw(shown, stack)
    echo(_ended(watched.look(), run))


def _seen(look: object, *, is_once: bool) -> Iterator[RunSeen]:
    """What there is to see now and whenever that changes, until nothing works on the run any more."""
    assert callable(look)
    last = None
    while True:
        seen = look()
        if seen != last:
            yield seen
        if is_once or not seen.is_running:
            return
        last = seen
        time.sleep(_POLL_SECONDS)


def _draw(shown: Iterator[RunSeen], stack: ExitStack) -> None:
    from popnas.cli.terminal.bar import bar_on, error_console, is_drawn, say

    console = error_console()
    bar, phase, num_told = None, "", 0
    for seen in shown:
        if not seen.is_running:
            return
        if bar is None and is_drawn(console):
            bar = stack.enter_context(bar_on(console))
        if bar is not None:
            if seen.phase != phase or seen.total != bar.total:
                bar.start(seen.phase, seen.total, seen.done)
            bar.update(seen.done, *_notes(seen))
        elif seen.phase != phase or seen.num_networks != num_told:
            count = "" if seen.total is None else f" {seen.done}/{seen.total}"
            say(console, ", ".join([f"{seen.phase}{count}", *filter(None, _notes(seen))]))
        phase, num_told = seen.phase, seen.num_networks


def _notes(seen: RunSeen) -> list[str]:
    from popnas.cli.terminal.progress import duration

    best = "" if seen.best_score is None else f"best {seen.best_score:.4f}"
    epochs = [f"{name}: epoch {now}/{of}" for name, (now, of) in sorted(seen.networks.items())]
    words = {"step": "this step", "search": "whole search", "phase": "this phase", "job": "whole job"}
    left = [
        f"{words.get(name, name)}: about {duration(seconds)} left"
        for name, seconds in seen.seconds_left.items()
        if seconds is not None
    ]
    return [best, counted(seen.num_networks, "network"), *epochs, *left]


def _ended(seen: RunSeen, run: Path) -> str:
    from popnas.command_lines import as_typed

    best = "" if seen.best_score is None else f", best {seen.best_score:.4f}"
    line = f"{quoted(run)}: {seen.words}, {counted(seen.num_networks, 'network')}{best}."
    if not seen.is_running and not seen.is_finished:
        line += f"\nGo on with: {as_typed('search', '-r', run)}"
    return line
