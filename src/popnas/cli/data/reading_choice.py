"""Data that may be read as several tasks: the option that says which, and the question where nothing does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.bar import bar_if_slow
from popnas.cli.terminal.output import echo
from popnas.cli.terminal.usage import with_options
from popnas.errors import DataError
from popnas.printable import quoted

if TYPE_CHECKING:
    from popnas.workflows.data.look import Look

type_option = click.option(
    "--type",
    "task",
    metavar="TASK",
    help="What the data are for, where they may be read as several: a name that `popnas list tasks` shows.  "
    "[default: what fits, or a question]",
)


def looked_at(data: str, task: str | None, choose: Callable[[str, Sequence[str]], str]) -> Look:
    """The data, with a bar on a terminal if that takes long; the bar ends before `choose` asks.

    Raises:
        DataError: no task can read them.
    """
    from popnas.workflows.data.look import look_at

    with bar_if_slow(f"looking at {quoted(data)}") as end:

        def choose_alone(sentence: str, tasks: Sequence[str]) -> str:
            end()
            return choose(sentence, tasks)

        look = look_at(data, choose_alone, task=task)
    command = click.get_current_context().command
    return replace(look, guesses=tuple(with_options(guess, command) for guess in look.guesses))


def ask(sentence: str, tasks: Sequence[str]) -> str:
    """Which task is meant; nothing is guessed.

    Raises:
        DataError: nobody is there to be asked.
    """
    if not is_somebody_there():
        choices = " or ".join(f"--type {task}" for task in tasks)
        raise DataError(f"{sentence} Say which with {choices}.")
    echo(sentence, err=True)
    answer: str = click.prompt("Which is meant?", type=click.Choice(list(tasks)), default=tasks[0], err=True)
    return answer


def ask_or_take_likeliest(sentence: str, tasks: Sequence[str]) -> str:
    """As `ask`, but the likeliest where nobody is there: for commands that only look."""
    return ask(sentence, tasks) if is_somebody_there() else tasks[0]


def is_somebody_there() -> bool:
    """Whether a question would be seen and could be answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()
