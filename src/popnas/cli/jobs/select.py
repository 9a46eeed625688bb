"""`popnas select`: model selection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.ending import ENDING, SAME_COMMAND
from popnas.cli.terminal.json_log import log_json_option
from popnas.cli.terminal.options import (
    GO_ON,
    batch_size_option,
    check_is_there,
    gathered,
    json_option,
    partial_option,
    renew_option,
    run_option,
    set_option,
    strategy_option,
)
from popnas.cli.terminal.output import echo, print_json, print_table
from popnas.cli.terminal.part_of_job import clocked
from popnas.command_lines import as_typed
from popnas.workflows.models.choices import CellChoice, StageChanges

if TYPE_CHECKING:
    from popnas.records import Json
    from popnas.workflows.models.selection import SelectedModel, SelectionResult


@click.command("select")
@run_option
@partial_option("selection")
@click.option(
    "-k", "num_cells", metavar="K", type=click.IntRange(min=1), help="Number of cells.  [default: 5]"
)
@batch_size_option
@click.option(
    "--params",
    metavar='"LOW;HIGH"',
    help="Also train wider and deeper networks of each cell whose params lie strictly in this range.",
)
@click.option("--spec", "cell", metavar="CELL", help="Train this cell instead of the run's best.")
@click.option(
    "--from",
    "source",
    type=click.Choice(["best", "front"]),
    help="Take the cells of the best scores or those of the Pareto front.  [default: best]",
)
@click.option(
    "--references",
    "has_references",
    is_flag=True,
    help="Train the known networks of the task beside them, and tell which is better.",
)
@strategy_option
@click.option("--name", metavar="NAME", help="A selection beside others, in model_selection/NAME.")
@set_option
@renew_option
@json_option
@log_json_option
@gathered(cells=CellChoice, changes=StageChanges)
def command(
    run: Path,
    cells: CellChoice,
    partial: str | None,
    changes: StageChanges,
    name: str | None,
    renew: bool,
    is_json: bool,
) -> None:
    """Train the best cells of a run longer and compare them.

    Results are in RUN/model_selection. The same command goes on with a selection that was interrupted.
    """
    check_is_there(run)
    # A workflow loads torch: only once the command line is known to be right.
    from popnas.cli.terminal.model_progress import model_listener
    from popnas.workflows.models import selection

    with model_listener(is_quiet=is_json) as listener, ENDING.going_on(lambda: SAME_COMMAND):
        result = selection.select(
            run, cells, partial=partial, changes=changes, name=name, renew=renew, tell=clocked(listener)
        )
    if is_json:
        print_json(_as_json(result))
    else:
        _print(run, name, result)


def _as_json(result: SelectionResult) -> Json:
    return {
        "folder": str(result.folder),
        "reason": result.reason,
        "best": _fields(result.best),
        "models": [_fields(model) for model in result.models],
    }


def _fields(model: SelectedModel) -> Json:
    return {
        "folder": str(model.folder),
        "cell": model.cell,
        "motifs": model.motifs,
        "normal_cells": model.normal_cells,
        "filters": model.filters,
        "params": model.params,
        "best_epoch": model.trained.best_epoch if model.trained else None,
        "score": model.score,
        "interval": None if model.summary is None else model.summary.half,
        "trainings": [
            {"seed": each.seed, "fold": each.fold, "score": done.score, "stopped": done.stopped}
            for each, done in sorted(model.repeated.items())
        ],
        "training_seconds": model.training_seconds,
        "stopped": model.trained.stopped if model.trained else None,
        "error": model.error,
    }


def _print(run: Path, name: str | None, result: SelectionResult) -> None:
    rows = []
    for model in sorted(result.models, key=lambda model: -(model.score or -1.0)):
        score = str(model.summary) if model.summary else "failed" if model.error else "not trained"
        epoch = model.trained.best_epoch if model.trained else ""
        rows.append([score, epoch, f"{model.params:,}", model.folder.name, model.cell])
    print_table(["validation", "epoch", "params", "folder", "cell"], rows)
    if result.reason == "max_hours":
        echo(f"The time limit others.max_hours cut this selection short. {GO_ON}")
    options = [] if name is None else ["--selection", name]
    echo(f"Train the best for good with: {as_typed('train', '-p', run, *options)}")
