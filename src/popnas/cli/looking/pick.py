"""`popnas pick`: the point of a run's front that fits, and the command that trains it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from popnas.cli.terminal.output import echo, print_json_line
from popnas.errors import UserError


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
@click.option(
    "--limit",
    "limits",
    type=(str, float),
    multiple=True,
    metavar="OBJECTIVE X",
    help="At most X (at least, where more is better) of any objective of the search; may be repeated.",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def command(
    run: Path,
    max_params: int | None,
    max_latency: float | None,
    min_score: float | None,
    limits: Sequence[tuple[str, float]],
    is_json: bool,
) -> None:
    """Pick the best-scored cell on a run's front that keeps to the limits.

    The front is that of the trained networks, over the objectives of the search and what is limited here.
    """
    from popnas.objectives.rows import INFERENCE_TIME, PARAMS, SCORE
    from popnas.runs import RunFolder
    from popnas.runs.front import Limits, pick, train_command

    folder = RunFolder.open(run)
    state = folder.state()
    latency = None if max_latency is None else max_latency / 1e3
    named = ((PARAMS.name, max_params), (INFERENCE_TIME.name, latency), (SCORE.name, min_score), *limits)
    worst: dict[str, float] = {}
    for name, value in named:
        if value is None:
            continue
        if name in worst:
            raise UserError(f"--limit {name} {value:g}: {name} has a limit of {worst[name]:g} already.")
        worst[name] = value
    item = pick(state, Limits(worst))
    fields: dict[str, Any] = {
        "cell": item.cell,
        **{row.field or row.name: row.figure(item) for row in state.figures},
        "is_exploration": item.is_exploration,
        "train_command": train_command(run, folder.config_json(), item.cell),
    }
    if is_json:
        print_json_line(json.dumps(fields))
        return
    for name, value in fields.items():
        if value is not None and value is not False:
            echo(f"{name.removeprefix('is_').replace('_', ' ')}: {_for_people(value)}")


def _for_people(value: Any) -> str:
    if isinstance(value, bool):
        return "yes"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
