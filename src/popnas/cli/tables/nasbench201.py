"""`popnas bench nasbench201`: searches over NAS-Bench-201."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.ending import ENDING, kept
from popnas.cli.terminal.options import gathered, given_anew, json_option
from popnas.cli.terminal.output import echo, print_json
from popnas.errors import UserError
from popnas.printable import counted, quoted
from popnas.workflows.tables.request import BenchmarkRequest

if TYPE_CHECKING:
    from popnas.workflows.tables.nasbench201 import BenchmarkResult


@click.command("nasbench201")
@click.option(
    "-p",
    "source",
    metavar="FILES",
    type=click.Path(path_type=Path),
    help="NATS-Bench's topology file or folder (*.pickle.pbz2), a .parquet file, or an .npz made here.",
)
@click.option(
    "-r",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Go on with searches that were interrupted.",
)
@click.option(
    "--mode",
    type=click.Choice(["native", "compatible"]),
    default="native",
    show_default=True,
    help="The whole benchmark, grown block by block, or what the published mapping of two blocks reaches.",
)
@click.option(
    "--data-set", metavar="NAME", default="cifar10", show_default=True, help="Or cifar100, ImageNet16-120."
)
@click.option(
    "--epochs", type=int, metavar="N", default=12, show_default=True, help="12 or 200: what the search sees."
)
@click.option("--runs", type=int, metavar="N", default=3, show_default=True, help="So many searches.")
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Of the first of them.")
@click.option("--name", metavar="NAME", help="Name of the folder below logs/.  [default: date and time]")
@json_option
@gathered(request=BenchmarkRequest)
def nasbench201(
    source: Path | None, folder: Path | None, name: str | None, request: BenchmarkRequest, is_json: bool
) -> None:
    """Search NAS-Bench-201, and tell the test accuracy of what was found.

    The files are kept as nasbench201.npz, which later calls read faster and searches of your own can name as
    dataset.path. Official files are pickles: containers and numbers are read of them, nothing is run. What
    was found is kept in benchmark.json; interrupted searches go on with -r.
    """
    if folder is not None and (given := given_anew()):
        raise UserError(
            f"-r {quoted(folder)} goes on with those searches as they were begun; leave out "
            f"{', '.join(given)}."
        )
    if folder is None and source is None:
        raise UserError("-p FILES says what is searched; or give -r FOLDER to go on.")
    from popnas.cli.terminal.progress import progress_listener
    from popnas.workflows.tables import nasbench201 as job

    with (
        progress_listener(is_quiet=is_json) as listener,
        ENDING.going_on(
            lambda: None if listener.folder is None else kept("bench", "nasbench201", "-r", listener.folder)
        ),
    ):
        if source is None:
            assert folder is not None
            result = job.resume(folder, tell=listener)
        else:
            result = job.benchmark(source, request, name=name, tell=listener)
    if is_json:
        print_json(result.to_json())
    else:
        echo(_as_text(result))


def _as_text(result: BenchmarkResult) -> str:
    request = result.request
    deviation = "" if result.deviation is None else f" +- {result.deviation:.2f}"
    hours = sum(run.training_seconds for run in result.runs) / len(result.runs) / 3600
    queries = sum(run.queries for run in result.runs) / len(result.runs)
    return "\n".join(
        [
            f"NAS-Bench-201, {request.data_set}, {request.mode}, {request.epochs} epochs seen:",
            f"Test:     {result.mean:.2f}{deviation} % over {counted(len(result.runs), 'run')}",
            f"Cost:     {queries:.0f} queries, {hours:.1f} h of training each",
            f"Ceiling:  {result.ceiling:.2f} % of {result.reach:,} architectures that this mode reaches; "
            f"{result.optimum:.2f} % of all",
            f"Table:    {quoted(result.table)}",
            f"Figures:  {quoted(f'{result.folder}/benchmark.json')}",
        ]
    )
