"""`popnas bench build`: train every cell of a small space, and write their table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.ending import ENDING, kept
from popnas.cli.terminal.options import gathered, given_anew, json_option, set_option
from popnas.cli.terminal.output import echo, print_json_line
from popnas.command_lines import as_typed
from popnas.errors import UserError
from popnas.printable import counted, quoted
from popnas.workflows.tables.request import TableRequest

if TYPE_CHECKING:
    from popnas.workflows.tables.building import BuildResult


def _samples(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for text in given:
        blocks, _, number = (part.strip() for part in text.partition("="))
        if not blocks.isdigit() or not number.isdigit():
            raise UserError(f"--sample {text}: must be written BLOCKS=N, as in --sample 3=400.")
        if str(int(blocks)) in found:
            raise UserError(
                f"--sample {text}: says for the second time how many cells of {int(blocks)} blocks."
            )
        found[str(int(blocks))] = int(number)
    return found


@click.command("build")
@click.option("-j", "source", metavar="CONFIG", help="Configuration file, or a preset's name.")
@click.option(
    "-r",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Go on with a table that was interrupted.",
)
@click.option("--name", metavar="NAME", help="Name of the folder below logs/.  [default: date and time]")
@set_option
@click.option(
    "--sample",
    "samples",
    metavar="BLOCKS=N",
    multiple=True,
    callback=_samples,
    help="Of the cells of so many blocks take only N, drawn evenly; repeatable.  [default: all]",
)
@click.option(
    "--seeds",
    type=int,
    metavar="N",
    default=3,
    show_default=True,
    help="Trainings of each of the repeated cells.",
)
@click.option(
    "--repeated",
    type=int,
    metavar="N",
    default=500,
    show_default=True,
    help="So many cells are trained with all seeds: half of them drawn evenly, half the best.",
)
@json_option
@gathered(request=TableRequest)
def build(
    source: str | None,
    folder: Path | None,
    name: str | None,
    sets: tuple[str, ...],
    request: TableRequest,
    is_json: bool,
) -> None:
    """Train every cell of a configuration's space and write their table, logs/NAME/table.npz.

    Every epoch of a training becomes a fidelity. An interrupted one goes on with -r, and with
    --set dataset.path=PLACE where its data were moved. Keep the space small: the plan of a search tells how
    long a training takes.
    """
    if folder is not None and (given := given_anew("sets")):
        raise UserError(
            f"-r {quoted(folder)} goes on with that table as it was begun; leave out {', '.join(given)}."
        )
    if folder is None and source is None:
        raise UserError("-j CONFIG says which cells are trained and how; or give -r FOLDER to go on.")
    # A workflow loads torch: only once the command line is known to be right.
    from popnas.cli.terminal.progress import progress_listener
    from popnas.workflows.settings import load_config
    from popnas.workflows.tables import building

    with (
        progress_listener(is_quiet=is_json) as listener,
        ENDING.going_on(
            lambda: None if listener.folder is None else kept("bench", "build", "-r", listener.folder)
        ),
    ):
        if source is None:
            assert folder is not None
            result = building.resume(folder, sets=sets, tell=listener)
        else:
            config, typed = load_config(source, sets=sets), _typed(source, sets, request)
            result = building.build(config, request, name=name, command=typed, tell=listener)
    if is_json:
        print_json_line(json.dumps(_as_json(result)))
    else:
        echo(_as_text(result))


def _typed(source: str, sets: tuple[str, ...], request: TableRequest) -> str:
    """The command that makes the same table."""
    changes = [word for text in sets for word in ("--set", text)]
    samples = [f"{blocks}={number}" for blocks, number in request.samples.items()]
    taken = [word for text in samples for word in ("--sample", text)]
    seeds = ["--seeds", request.seeds, "--repeated", request.repeated]
    return as_typed("bench", "build", "-j", source, *changes, *taken, *seeds)


def _as_json(result: BuildResult) -> dict[str, str | int | None]:
    return {
        "folder": str(result.folder),
        "reason": result.reason,
        "num_trained": result.num_trained,
        "num_failed": result.num_failed,
        "num_jobs": result.num_jobs,
        "table": None if result.table is None else str(result.table),
        "num_bytes": result.num_bytes,
    }


def _as_text(result: BuildResult) -> str:
    failed = f", {result.num_failed:,} of them failed" if result.num_failed else ""
    if result.table is None or result.num_bytes is None:
        go_on = as_typed("bench", "build", "-r", result.folder)
        return (
            f"Time limit reached: {result.num_trained:,} of {counted(result.num_jobs, 'training')} "
            f"are done{failed} "
            f"(go on with: {go_on})"
        )
    return "\n".join(
        [
            (
                f"Table built: {counted(result.num_trained, 'training')}{failed}, "
                f"{result.num_bytes / 1e6:.2f} MB."
            ),
            f"Table:  {quoted(result.table)}",
            f"Look:   {as_typed('bench', 'show', result.table)}",
        ]
    )
