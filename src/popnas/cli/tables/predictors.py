"""`popnas predictors`: how well predictors foretell what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.options import gathered, json_option
from popnas.cli.terminal.output import echo, print_json, print_table
from popnas.printable import quoted
from popnas.workflows.studies.splits import StudyRequest, Where

if TYPE_CHECKING:
    from popnas.workflows.studies.study import Study, Summary


@click.group()
def command() -> None:
    """Compare predictors on the cells of runs, tables and NAS-Bench-201.

    Each is fitted to cells of up to b blocks and asked for cells of b + 1: of a table a sample of them, of a
    run those that were drawn at random, else those that exploration chose, else all that it trained.
    `popnas list predictors` shows all.
    """


_OPTIONS = (
    click.option(
        "-p",
        "paths",
        metavar="RUN|TABLE",
        type=click.Path(path_type=Path),
        required=True,
        multiple=True,
        help="A run's folder, a table.npz, or a file of NAS-Bench-201. Repeatable.",
    ),
    click.option("--only", "names", metavar="NAME", multiple=True, help="Only this predictor. Repeatable."),
    click.option("--seeds", type=int, metavar="N", default=5, show_default=True, help="So many times."),
    click.option("--random", type=int, metavar="N", help="Learn from N cells of any size, ask for others."),
    click.option(
        "--trained",
        type=int,
        metavar="N",
        default=60,
        show_default=True,
        help="Of a table learn from so many cells of each step from 2 on.",
    ),
    click.option(
        "--sample", type=int, metavar="N", default=1000, show_default=True, help="Ask for so many at most."
    ),
    click.option("--epochs", type=int, metavar="N", help="Of a table.  [default: the most that it has]"),
    click.option(
        "--data-set", metavar="NAME", default="cifar10", help="Of NAS-Bench-201.  [default: cifar10]"
    ),
    click.option(
        "-o",
        "folder",
        metavar="FOLDER",
        type=click.Path(path_type=Path),
        help="Leave figures, predictions, attributions (CSV) and plots there.",
    ),
    json_option,
)

_METRIC = click.option(
    "--metric", metavar="NAME", help="This one is the score.  [default: the one that each was made for]"
)


def _declare(name: str, objective: str, words: str) -> None:
    @gathered(where=Where, request=StudyRequest)
    def compare(
        where: Where, request: StudyRequest, names: tuple[str, ...], folder: Path | None, is_json: bool
    ) -> None:
        from popnas.cli.terminal.progress import progress_listener
        from popnas.workflows.studies import files, study

        with progress_listener(is_quiet=is_json) as listener:
            made = study.study(objective, where, request, names=names, tell=listener)
            written = [] if folder is None else files.write(folder, made)
        if is_json:
            print_json(
                {
                    "objective": objective,
                    "request": request.to_json(),
                    "missing": made.missing,
                    "predictors": [item.to_json() for item in made.summaries()],
                }
            )
        else:
            _print(made)
            for sentence in made.missing:
                echo(sentence, err=True)
            for path in written:
                echo(f"Written: {quoted(path)}", err=True)

    for option in reversed(
        (*_OPTIONS, _METRIC) if objective == "score" else _OPTIONS
    ):  # as decorators that stand above each other: the last one is next to it
        compare = option(compare)
    command.command(name, help=f"Compare predictors of {words}.")(compare)


_declare("score", "score", "the score")
_declare("time", "time", "training time")
_declare("inference-time", "inference_time", "inference time")

_COLUMNS = {
    "spearman": ("Spearman", 3),
    "kendall": ("Kendall", 3),
    "r2": ("R2", 2),
    "recall": ("best 10 %", 2),
    "mape": ("MAPE %", 1),
    "bias": ("bias %", 1),
    "fit_seconds": ("fit s", 2),
    "predict_seconds": ("1,000 cells s", 4),
}

_SAME = "; seeds fit to the same cells, so there are no intervals"
_WHICH = {
    "sample": "a sample",
    "random": f"those drawn at random{_SAME}",
    "exploration": f"those of exploration, taken in the order of predicted scores{_SAME}",
    "trained": f"all that were trained, most of them selected by predictions{_SAME}",
}


def _print(made: Study) -> None:
    groups: dict[tuple[str, int], list[Summary]] = {}
    for item in made.summaries():
        groups.setdefault((item.source, item.step), []).append(item)
    for (source, step), items in groups.items():
        first = items[0]
        cells = f"cells of {step} blocks" if step else "cells of any size"
        of_metric = "" if first.metric is None else f", {first.metric}"
        echo(
            f"{source}{of_metric}: learnt from {first.learnt:.0f} cells, asked for {first.cells:.0f} {cells} "
            f"({_WHICH[first.asked]})"
        )
        rows = [
            [item.predictor, *(_shown(item, name, digits) for name, (_, digits) in _COLUMNS.items())]
            for item in items
        ]
        print_table(["predictor", *(title for title, _ in _COLUMNS.values())], rows)
        echo()


def _shown(item: Summary, name: str, digits: int) -> str:
    mean, half = item.means[name], item.halves[name]
    if mean is None:
        return "-"
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if half is not None and digits < 4 else "")
