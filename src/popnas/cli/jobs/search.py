"""`popnas search`: the search, with a progress bar that tells the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.ending import ENDING, kept
from popnas.cli.terminal.json_log import log_json_option
from popnas.cli.terminal.output import echo, print_json_line
from popnas.cli.terminal.part_of_job import clocked
from popnas.command_lines import as_typed
from popnas.errors import UserError
from popnas.printable import counted, quoted

if TYPE_CHECKING:
    from popnas.workflows.searching.search import SearchResult


@click.command("search")
@click.option(
    "-j", "source", metavar="CONFIG", help="Configuration file, or a preset's name.  [default: run]"
)
@click.option(
    "-r",
    "run",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Go on with an interrupted run's folder.",
)
@click.option("--name", metavar="NAME", help="Name of the run's folder.  [default: date and time]")
@click.option(
    "--logs",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder in which the run's folder is made.  [default: logs]",
)
@click.option(
    "--set",
    "sets",
    metavar="a.b=V",
    multiple=True,
    help="Change one field of the configuration; repeatable. A list is put in single quotes: --set "
    '\'search_space.operators=["identity", "3x3 conv"]\'. With -r: limits, device, and dataset.path where '
    "the data were moved.",
)
@click.option(
    "--confirm/--no-confirm", default=None, help="Train the best cells again with 3 seeds each, at the end."
)
@click.option("--json", "is_json", is_flag=True, help="Print the result as one JSON object.")
@log_json_option
def command(
    source: str | None,
    run: Path | None,
    name: str | None,
    logs: Path | None,
    sets: tuple[str, ...],
    confirm: bool | None,
    is_json: bool,
) -> None:
    """Search network architectures for a data set.

    Leaves a run folder with tables, plots, report.html and the best network as ONNX. An interrupted search
    goes on with -r.
    """
    if run is not None and any(given is not None for given in (source, name, logs, confirm)):
        raise UserError(
            f"-r {quoted(run)} goes on with that run's own configuration and place; leave out -j, --name, "
            "--logs and --confirm, or start a new run without -r."
        )
    # A workflow loads torch: only once the command line is known to be right.
    from popnas.cli.terminal.progress import progress_listener
    from popnas.runs import RunFolder
    from popnas.runs.front import check_constraints
    from popnas.workflows.searching import search as job
    from popnas.workflows.settings import load_config

    if confirm is not None:
        sets = (*sets, f"others.confirm={json.dumps(confirm)}")
    with (
        progress_listener(is_quiet=is_json) as listener,
        ENDING.going_on(lambda: None if listener.folder is None else kept("search", "-r", listener.folder)),
    ):
        if run is not None:
            result = job.resume(run, sets=sets, tell=clocked(listener))
        else:
            result = job.search(
                load_config(source or "run", sets=sets),
                name=name,
                logs=logs or "logs",
                tell=clocked(listener),
            )
    if is_json:
        print_json_line(json.dumps(_as_json(result)))
    else:
        echo(_as_text(result))
    if result.best is None:
        check_constraints(RunFolder.open(result.folder).state())


def _as_json(result: SearchResult) -> dict[str, object]:
    return {
        "folder": str(result.folder),
        "reason": result.reason,
        "num_evaluated": result.num_evaluated,
        "num_failed": result.num_failed,
        "best": result.best.content() if result.best else None,
    }


def _as_text(result: SearchResult) -> str:
    from popnas.report.markup import duration

    best = result.best
    go_on = as_typed("search", "-r", result.folder)
    reasons = {
        "completed": "Search completed",
        "max_hours": f"Time limit reached (go on, for max_hours again, with: {go_on})",
        "no_parents": "Search ended early: every candidate of a step failed",
        "no_candidates": "Search ended early: no expansion can be evaluated and is predicted to meet "
        "search_strategy.constraints",
    }
    failed = f", {result.num_failed} of them failed" if result.num_failed else ""
    lines = [f"{reasons[result.reason]}: {counted(result.num_evaluated, 'network')} trained{failed}."]
    if result.was_finished:
        lines.insert(0, "This search was finished already; its tables and report were written again.")
    if best is not None:
        assert best.training_seconds is not None  # it did not fail
        lines += [
            f"Best cell:  {best.cell}",
            f"Validation: {best.score:.4f}",
            f"Params:     {best.params:,}",
            f"Training:   {duration(best.training_seconds)}",
        ]
        if (result.folder / "best_model" / "model.json").is_file():
            lines.append(f"Model:      {quoted(result.folder / 'best_model' / 'model.onnx')}")
        confirmed, better = _confirmed(result, best.cell)
        lines[3:3] = confirmed
        lines += better
    if (page := result.folder / "report.html").is_file():  # not if it could not be made, as was told
        lines.append(f"Report:     {quoted(page)}")
    return "\n".join(lines)


def _confirmed(result: SearchResult, best_cell: str) -> tuple[list[str], list[str]]:
    """What the best cell reached with other seeds, and another one of a better mean with the command that
    trains it: the best of many scores is too good on average."""
    from popnas.report import confirmed
    from popnas.report.run_data import RunData
    from popnas.runs import RunFolder
    from popnas.runs.front import train_command

    folder = RunFolder.open(result.folder)
    run = RunData.of(folder, folder.state())
    cells = confirmed.confirmed_cells(run)
    own = next((cell for cell in cells if cell.evaluation.cell == best_cell), None)
    lines = [] if own is None else [f"Confirmed:  {own.words}"]
    better = confirmed.better_than_best(run)
    if better is None:
        return lines, []
    cell = better.cell.evaluation.cell
    line = train_command(folder.path, run.config, cell)
    return lines, [
        f"Better mean with other seeds: {better.cell.summary}, {better.words}: {cell}",
        *([f"Train it:   {line}"] if line else []),
    ]
