"""`popnas pick`: the point of a run's front that fits, and the command that trains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popnas.cli.terminal.output import echo, print_json_line

if TYPE_CHECKING:
    from popnas.evaluation import Evaluation


@click.command("pick")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--max-params", type=click.IntRange(min=1), metavar="N", help="At most so many trainable parameters."
)
@click.option(
    "--max-latency",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MS",
    help="At most so many milliseconds per inference batch, as the search measured it.",
)
@click.option("--min-score", type=float, metavar="X", help="At least this validation score.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def command(
    run: Path, max_params: int | None, max_latency: float | None, min_score: float | None, is_json: bool
) -> None:
    """Pick the best-scored cell on a run's front that keeps to the limits.

    The front is that of the trained networks, over the objectives of the search and what is limited here.
    """
    from popnas.runs import RunFolder
    from popnas.runs.front import Limits, pick, train_command

    folder = RunFolder.open(run)
    latency = None if max_latency is None else max_latency / 1e3
    item = pick(folder.state(), Limits(max_params, latency, min_score))
    fields = _fields(item, train_command(run, folder.config_json(), item.cell))
    if is_json:
        print_json_line(json.dumps(fields))
        return
    for name, value in fields.items():
        if value is not None:
            echo(f"{name.replace('_', ' ')}: {f'{value:.6g}' if isinstance(value, float) else value}")


def _fields(item: Evaluation, train_command: str) -> dict[str, Any]:
    return {
        "cell": item.cell,
        "score": item.score,
        "params": item.params,
        "flops": item.flops,
        "training_seconds": item.training_seconds,
        "inference_seconds": item.inference_seconds,
        "is_exploration": item.is_exploration,
        "train_command": train_command,
    }
