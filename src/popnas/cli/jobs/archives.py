"""`popnas archives`: a whole job for every problem of an archive of time series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.ending import ENDING, SAME_COMMAND
from popnas.cli.terminal.json_log import log_json_option
from popnas.cli.terminal.options import (
    ensemble_option,
    gathered,
    hours_option,
    json_option,
    max_params_option,
    set_option,
)
from popnas.cli.terminal.output import echo, print_json, print_table
from popnas.errors import PopnasError
from popnas.printable import counted, first_of_all, quoted
from popnas.workflows.whole.archives import problems
from popnas.workflows.whole.archives.request import CampaignRequest

if TYPE_CHECKING:
    from popnas.records import Json
    from popnas.report.archive.page import ArchiveSummary


@click.command("archives")
@click.option(
    "-p",
    "archive",
    metavar="FOLDER",
    required=True,
    type=click.Path(path_type=Path),
    help="The archive: a folder per problem, with train.npz and test.npz, or with *_TRAIN.ts and *_TEST.ts.",
)
@click.option(
    "-j",
    "source",
    metavar="CONFIG",
    default="run_ts",
    show_default=True,
    help="Configuration that all problems begin with: path of a JSON file or a preset's name.",
)
@click.option("-jms", "selection_partial", metavar="CONFIG", help="Partial one of the model selections.")
@click.option("-jlt", "training_partial", metavar="CONFIG", help="Partial one of the final trainings.")
@click.option(
    "-k", "num_cells", metavar="K", type=click.IntRange(min=1), help="Cells selected.  [default: 5]"
)
@ensemble_option
@max_params_option
@hours_option("Time limit of each problem's job.  [default: none]")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Problems at a time.  [default: one per core]",
)
@click.option(
    "--against",
    metavar="CSV",
    type=click.Path(path_type=Path),
    help="Accuracies to rank the results with: a line per problem, a column per method.",
)
@click.option("--name", metavar="NAME", help="Name of the folder below logs/.  [default: the archive's name]")
@set_option
@json_option
@log_json_option
@gathered(request=CampaignRequest)
def command(
    archive: Path,
    source: str,
    request: CampaignRequest,
    name: str | None,
    is_json: bool,
) -> None:
    """Search, select, train and evaluate for every problem of an archive, several at a time.

    Validation, folds and batch size are suited to each problem, unless --set states them, and each has one
    worker where several run at a time. The same command goes on with what is not done; the summary is
    logs/NAME/summary.html.
    """
    problems.find(archive)
    # The other rooms load torch: only once the command line is known to be right.
    from popnas.cli.terminal.model_progress import model_listener
    from popnas.workflows.settings import load_config
    from popnas.workflows.whole.archives import campaign

    base = load_config(source, sets=request.sets)
    with model_listener(is_quiet=is_json) as listener, ENDING.going_on(lambda: SAME_COMMAND):
        place, summary = campaign.run(archive, base, request, name=name, tell=listener)
    if is_json:
        print_json(_as_json(place, summary))
    else:
        _print(place, summary)
    if failed := [item.problem for item in summary.results if item.error is not None]:
        raise PopnasError(
            f"{counted(len(failed), 'problem')} of {len(summary.results)} failed: {first_of_all(failed, 9)}. "
            f"Why stands on the summary and in {quoted(place / 'failures')}, what their jobs told in "
            f"{quoted(place / 'output')}. The same command tries them again."
        )


def _as_json(place: Path, summary: ArchiveSummary) -> Json:
    ranks = [] if summary.ranking is None else summary.ranking.methods
    return {
        "folder": str(place),
        "mean_accuracy": summary.mean_accuracy,
        "ranks": {method.name: method.rank for method in ranks},
        "not_compared": list(summary.told),
        "results": [item.to_json() for item in summary.results],
    }


def _print(place: Path, summary: ArchiveSummary) -> None:
    rows = [
        [item.problem, f"{item.accuracy:.4f}" if item.accuracy is not None else "failed", item.macro or ""]
        for item in summary.results
    ]
    print_table(["problem", "accuracy", "network"], rows)
    if summary.mean_accuracy is not None:
        echo(f"Mean accuracy of {counted(len(summary.done), 'problem')}: {summary.mean_accuracy:.4f}")
    for method in () if summary.ranking is None else summary.ranking.methods:
        echo(f"Mean rank {method.rank:.2f}: {method.name}, mean accuracy {method.accuracy:.4f}")
    for sentence in summary.told:
        echo(f"Not compared: {sentence}")
    echo(f"Summary: {quoted(place / 'summary.html')}")
