"""Entry point of `popnas`: finds a command without importing the others; errors become exit statuses.

Exit status: 0 done, 1 failed, 2 a mistake of the user's, 128 + n ended by signal n (Ctrl-C: 130).
"""

from __future__ import annotations

import importlib
import io
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from popnas.cli.terminal.ending import ENDING, Stopped
from popnas.cli.terminal.help import HelpContext, dress
from popnas.cli.terminal.json_log import JSON_LOG
from popnas.cli.terminal.output import echo
from popnas.cli.terminal.part_of_job import EXPECTED, TOLD_BY_JOB
from popnas.cli.terminal.streams import guard
from popnas.cli.terminal.surroundings import draw_with_own_settings, keep_out_of_home
from popnas.cli.terminal.usage import reword, with_options
from popnas.cli.terminal.wrap import width_of
from popnas.errors import (
    NO_MEMORY,
    DeviceFilledError,
    PopnasError,
    StorageError,
    interruption_behind,
    nearest,
)
from popnas.printable import one_line, without_secrets

# Name, module in this room whose attribute `command` is the click command, and the line of `popnas --help`.
COMMANDS: dict[str, tuple[str, str]] = {
    "search": ("jobs.search", "Search architectures for a data set (-r resumes a run)."),
    "plan": ("jobs.plan", "Before a search: its size, its costs and the time it will take."),
    "select": ("jobs.select", "Model selection: the best cells of a run, trained longer."),
    "train": ("jobs.train", "Final training of one network, and its deployment folder."),
    "e2e": ("jobs.e2e", "Search, model selection and final training in a row (-r resumes)."),
    "archives": ("jobs.archives", "A whole job for every problem of an archive of time series."),
    "evaluate": (
        "jobs.evaluate",
        "Trained networks on test data: metrics, calibration, confusion.",
    ),
    "export": ("jobs.export", "A trained network as a deployment folder or as one PyTorch file."),
    "latency": ("jobs.latency", "How fast an ONNX file answers on this machine."),
    "serve": ("jobs.serve", "Watch, start and stop runs from a browser or over HTTP."),
    "init": ("data.init", "Look at data and write a commented configuration for it."),
    "dataset": ("data.dataset", "Look at data, build segmentation data, show predicted masks."),
    "report": ("looking.report", "Figures, tables and the HTML report of one or more runs."),
    "slides": ("looking.slides", "A run as slides for a talk, a PDF."),
    "watch": ("looking.watch", "How far a run is that another process works on."),
    "pick": ("looking.pick", "The cell of a run's front that fits your limits."),
    "describe": ("looking.describe", "What cells cost and look like, without training."),
    "draw": ("looking.draw", "Draw a cell as PDF, SVG or DOT."),
    "bench": ("tables.bench", "Tables of trained cells, on which searches are tried in seconds."),
    "predictors": ("tables.predictors", "How well predictors foretell what runs and tables measured."),
    "config": ("looking.config", "Check a configuration, rewrite an older one; the JSON Schema."),
    "journal": ("looking.journal", "A run's journal as JSON lines."),
    "list": ("looking.list", "Operators, predictors, objectives, tasks, data sets, presets and runs."),
    "doctor": ("looking.doctor", "Versions, device and speed of this machine, for bug reports."),
}

_LEAVE_FILES = {
    *("search", "select", "train", "e2e", "archives", "evaluate", "export"),
    *("report", "slides", "draw", "init"),
    *("dataset segmentation", "dataset masks"),
    *("bench build", "bench nasbench201"),
}
"""Commands whose work lies on disk when they end; all others are called for what they print."""

ELSEWHERE = {
    "predict": 'A model predicts from Python: popnas.load("logs/NAME").predict(x). The README of its '
    "deployment folder shows it without popnas; `popnas evaluate` judges it on test data.",
    "resume": "A search goes on with `popnas search -r logs/NAME`, a whole job with "
    "`popnas e2e -r logs/NAME`, tables and what is tried over them with `popnas bench build`, `compare` or "
    "`nasbench201` and -r logs/NAME; all others go on when they are typed again.",
    "compare": "Runs are compared with: popnas report logs/ONE logs/OTHER -o comparison.html",
    "deploy": "A deployment folder is written with: popnas export -p logs/NAME -o FOLDER",
    "version": "The version is shown with: popnas --version",
    "help": "Commands are listed with `popnas -h`; `popnas COMMAND -h` explains one.",
}
"""Words that newcomers try and that are no commands, with where what they look for is."""

_REPORT_HINT = (
    "This is a mistake in popnas, not in your input. Please report it with the lines above and what "
    "`popnas doctor` prints."
)


_LACKING = (
    *NO_MEMORY,
    "failed to map segment",
    "can't start new thread",
    "Resource temporarily unavailable",
)
"""What Python, the loader of libraries and PyTorch say of memory or threads that there are no more of."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"popnas.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command), cmd_name
        return dress(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command for one that does not exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'. {_instead_of(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])


def _instead_of(word: str) -> str:
    """What to type in place of a word that is no command."""
    elsewhere = ELSEWHERE.get(word.lower())
    return elsewhere or nearest(word, COMMANDS).strip() or f"The commands are: {', '.join(COMMANDS)}."


def _show_version(ctx: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from popnas import __version__

        click.echo(f"popnas {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
def cli() -> None:
    """Pareto-Optimal Progressive Neural Architecture Search.

    Finds networks that are good and cheap for your images and time series. `popnas search` runs the default
    search; `popnas COMMAND -h` explains a command.
    """


def main(
    arguments: Sequence[str] | None = None,
    *,
    is_stage: bool = False,
    told: Sequence[str] = (),
    ahead: dict[str, Any] | None = None,
) -> None:
    """Run the command line as this process and exit with its status.

    `is_stage`: for a job that itself tells how it goes on after an interruption, has `told` these warnings,
    and expects what is `ahead`.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    draw_with_own_settings()
    output = guard()
    ENDING.is_stage = is_stage
    TOLD_BY_JOB.update(told)
    EXPECTED.update(ahead or {})
    ENDING.listen()
    status = run(arguments)
    sys.stdout.flush()
    if output.failure is not None:
        if not output.is_left:
            echo(f"Standard output could not be written: {output.failure}.", err=True)
        if status == 0 and _is_output_asked_for(arguments):
            status = 1
    sys.exit(status)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; messages of errors go to stderr. Returns the exit status."""
    keep_out_of_home()
    ENDING.reset()
    JSON_LOG.stop()
    try:
        status = _invoke(arguments)
    except PopnasError as error:
        message = with_options(str(error), _command_of(arguments))
        hint = ENDING.hint() if isinstance(error, StorageError | DeviceFilledError) else None
        _tell("error", without_secrets(f"Error: {message}"), hint)
        return error.exit_status
    except click.ClickException as error:
        text = io.StringIO()
        reword(error, sys.argv[1:] if arguments is None else arguments).show(text)
        _tell("error", text.getvalue().rstrip("\n"))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        if lines := ENDING.interrupted():
            _tell("warning", *lines)
        return stop.exit_status if isinstance(stop, Stopped) else 130
    except Exception as error:
        if (lack := _lack_behind(error)) is not None:
            _tell("error", without_secrets(f"Error: {lack}"), ENDING.hint())
            return 1
        _tell("error", without_secrets(traceback.format_exc().rstrip()), _REPORT_HINT)
        return 1
    return status if isinstance(status, int) else 0


def _invoke(arguments: Sequence[str] | None) -> object:
    """What the command returns; raises the signal that ended it, whatever click or a library made of it."""
    try:
        return cli.main(
            args=arguments, prog_name="popnas", standalone_mode=False, terminal_width=width_of(sys.stdout)
        )
    except Exception as error:
        if (stop := interruption_behind(error)) is not None:
            raise stop from None
        raise


def _lack_behind(error: BaseException | None) -> str | None:
    """What to say of an error behind which the system had no more memory or threads to give; else None."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _LACKING):
            said = one_line(str(error)) or "out of memory"
            return (
                f"the system gives this process no more memory or threads: {said}. Close other programs, "
                "raise the limit (ulimit -v, ulimit -u, a container's), or ask for less: a smaller "
                "dataset.batch_size, or fewer processes by others.executor.workers."
            )
        error = error.__cause__ or error.__context__
    return None


def _command_of(arguments: Sequence[str] | None) -> click.Command | None:
    """The command that these arguments call."""
    command: click.Command | None = cli
    for word in sys.argv[1:] if arguments is None else arguments:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word) or command
    return command


def _tell(level: str, *lines: str | None) -> None:
    """How a command ended that did not end well."""
    told = [line for line in lines if line is not None]
    if JSON_LOG.is_on:
        JSON_LOG.line(level, "ended", {"text": "\n".join(told)})
        return
    for line in told:
        echo(line, err=True)


def _is_output_asked_for(arguments: Sequence[str]) -> bool:
    """Whether what a command prints is what it was called for, not a summary of what it leaves on disk."""
    leaves_files = any(" ".join(arguments[:length]) in _LEAVE_FILES for length in (1, 2))
    return not leaves_files or not {"--json", "-h", "--help"}.isdisjoint(arguments)
