"""`popnas pick`: the point of a run's front that fits, and the command that trains it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.output import echo, print_json_line
from popnas.command_lines import as_typed
from popnas.errors import UserError

if TYPE_CHECKING:
    from popnas.records import Json, JsonValue
    from popnas.report.confirmed import ConfirmedCell
    from popnas.report.sections.ensembles import EnsemblePlan, EnsembleSize
    from popnas.runs import RunFolder


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

    The front is that of the trained networks, over the objectives of the search and what is limited here. Of
    an ensemble that `train --ensemble` has chosen the best size that keeps to the limits is told beside it.
    """
    from popnas.objectives.rows import INFERENCE_TIME, PARAMS, SCORE
    from popnas.report.confirmed import confirmed_cells
    from popnas.report.run_data import RunData
    from popnas.report.sections import ensembles
    from popnas.runs import RunFolder
    from popnas.runs.front import Limits, pick, train_command

    folder = RunFolder.open(run)
    state = folder.state()
    latency = None if max_latency is None else max_latency / 1e3
    named = ((PARAMS.name, max_params), (INFERENCE_TIME.name, latency), (SCORE.name, min_score), *limits)
    worst = _worst(named)
    item = pick(state, Limits(worst))
    cells = confirmed_cells(RunData.of(folder, state))
    own = next((cell for cell in cells if cell.evaluation.cell == item.cell), None)
    figures = {row.field or row.name: row.figure(item) for row in state.figures}
    ensemble = _ensemble(folder, ensembles.read(folder.final_training), worst)
    fields: Json = {
        "cell": item.cell,
        "score": figures.pop("score"),
        "confirmed": None if own is None else _as_json(own),
        **figures,
        "is_exploration": item.is_exploration,
        "train_command": train_command(run, folder.config_json(), item.cell),
        "ensemble": None if ensemble is None else {**ensemble[0].to_json(), "train_command": ensemble[1]},
    }
    if is_json:
        print_json_line(json.dumps(fields))
        return
    shown = {
        **fields,
        "score": f"{item.score:.4f}",
        "confirmed": None if own is None else own.words,
        "ensemble": None if ensemble is None else _in_words(*ensemble),
    }
    for name, found in shown.items():
        if found is not None and found is not False:
            echo(f"{name.removeprefix('is_').replace('_', ' ')}: {_for_people(found)}")


def _worst(named: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """The worst value of each objective that was given one.

    Raises:
        UserError: an objective was given two.
    """
    worst: dict[str, float] = {}
    for name, value in named:
        if value is None:
            continue
        if name in worst:
            raise UserError(f"--limit {name} {value:g}: {name} has a limit of {worst[name]:g} already.")
        worst[name] = value
    return worst


def _ensemble(
    run: RunFolder, plan: EnsemblePlan | None, worst: Mapping[str, float]
) -> tuple[EnsembleSize, str | None] | None:
    """The best size of the ensemble that keeps to the limits, and the command that trains it, None if it is
    trained; None if there is none, its first network alone is the best, or something is limited that nobody
    measured of it."""
    from popnas.report.sections.ensembles import best_size

    if plan is None or not worst.keys() <= {"params", "flops", "score"}:
        return None
    fitting = [
        size
        for size in plan.sizes
        if size.params <= worst.get("params", math.inf)
        and size.flops <= worst.get("flops", math.inf)
        and ("score" not in worst or (size.score is not None and size.score >= worst["score"]))
    ]
    best = best_size(fitting, plan.sizes[0])
    if best is None or best.members == 1:
        return None
    return best, _train_ensemble(run, plan, best.members)


def _train_ensemble(run: RunFolder, plan: EnsemblePlan, members: int) -> str | None:
    """The command that trains so many members of the ensemble, asked for as it was; None if that is what is
    delivered already."""
    number, renew = members, ["--renew"]
    if members == plan.chosen:
        if (run.final_training / "model.json").is_file() and not plan.left_out:
            return None
        number, renew = plan.asked, []  # it goes on
    one, settings = plan.members[0], list(plan.settings)
    words: list[object] = [] if plan.selection is None else ["--selection", plan.selection]
    if plan.given is not None:
        shape = ["-m", one.motifs, "-n", one.normal_cells, "-f", one.filters]
        # A network without cells has none that could be given: it is the best of the selection.
        if one.cell == "[]":
            words += shape
        else:
            words = [*shape, "--spec", one.cell]
            if one.macro is not None:
                settings.append(f"architecture_hyperparameters.macro_architecture={json.dumps(one.macro)}")
    words += [word for each in dict.fromkeys(settings) for word in ("--set", each)]
    limit = [] if plan.max_params is None else ["--max-params", plan.max_params]
    return as_typed("train", "-p", run.path, *words, "--ensemble", number, *limit, *renew)


def _in_words(size: EnsembleSize, command: str | None) -> str:
    judged = "" if size.score is None else f", validation {size.score:.4f} in the selection"
    told = "; that is what is delivered" if command is None else f": {command}"
    return f"{size.members} networks, {size.params:,} params, {size.flops:,} FLOPs{judged}{told}"


def _as_json(cell: ConfirmedCell) -> Json:
    """The mean over other seeds and the half of its 95 % interval (null: one seed says nothing of that)."""
    return {"mean": cell.summary.mean, "half": cell.summary.half, "scores": list(cell.scores)}


def _for_people(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
