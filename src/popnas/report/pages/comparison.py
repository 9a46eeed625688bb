"""Several runs on one page: hypervolume on a common scale, fronts overlaid, best cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas.errors import UserError
from popnas.objectives import Objective
from popnas.printable import counted, quoted
from popnas.report.pages._base import document, figure_html
from popnas.report.run_data import RunData
from popnas.report.views import Views
from popnas.runs.front import trained_front
from popnas.storage import write_table, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from popnas.runs import RunFolder


def compare(folders: Sequence[RunFolder], path: Path, views: Views | None = None) -> None:
    """Write a page that compares runs, and beside it what its figures show: `STEM_fronts.csv` and
    `STEM_hypervolume.csv`.

    Objectives are those of any of the runs (every evaluation has all figures, whatever was searched for).

    Raises:
        UserError: fewer than two runs, or runs of different tasks or score metrics.
        StorageError: the disk refused.
    """
    if len(folders) < 2:
        raise UserError(
            "a comparison needs at least two runs; name more, or leave out `output` for one run's report."
        )
    runs = [RunData.of(folder, folder.state()) for folder in folders]
    _check(runs)
    objectives = list(dict.fromkeys(item for run in runs for item in run.objectives))
    names = _distinct_names(runs)
    parts: dict[str, Callable[[], str]] = {
        "Runs": lambda: _overview(runs, names),
        "Pareto fronts": lambda: _fronts(runs, names, objectives, path),
        "Hypervolume": lambda: _volumes(runs, names, objectives, path),
        "Best cells": lambda: _best_cells(runs, names),
    }
    views, sections = views or Views(), []
    for title, part in parts.items():
        with views.view(f"the comparison's part '{title}'"):
            sections.append((title, part()))
    headline = f"{counted(len(runs), 'run')} compared"
    write_text(path, document(headline, ", ".join(names), [item for item in sections if item[1]]))


def _check(runs: Sequence[RunData]) -> None:
    for what, field, values in (
        ("tasks", "dataset.type", [run.task for run in runs]),
        ("scores", "search_strategy.score_metric", [run.score_metric for run in runs]),
    ):
        found = dict(zip(map(str, values), runs, strict=True))
        if len(found) > 1:
            listed = ", ".join(f"{quoted(run.path)} has {value}" for value, run in found.items())
            raise UserError(f"runs of different {what} ({field}) cannot be compared: {listed}.")


def _beside(page: Path, what: str) -> Path:
    return page.with_name(f"{page.stem}_{what}.csv")


def _distinct_names(runs: Sequence[RunData]) -> list[str]:
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _overview(runs: Sequence[RunData], names: Sequence[str]) -> str:
    from popnas.report import confirmed, durations, markup

    rows: list[list[markup.Value | str]] = []
    for run, name in zip(runs, names, strict=True):
        best = run.state.best
        own = [cell for cell in confirmed.confirmed_cells(run) if best and cell.evaluation.cell == best.cell]
        rows.append(
            [
                name,
                str(run.data_name),
                markup.count(len(run.state.evaluations)),
                markup.count(sum(item.is_failed for item in run.state.evaluations)),
                markup.score(best.score if best else None),
                markup.Value(str(own[0].summary), own[0].summary.mean) if own else "–",
                markup.count(best.params if best else None),
                markup.seconds(best.training_seconds if best else None),
                markup.seconds(sum(item.total for item in durations.per_step(run))),
                markup.Value(markup.code(best.cell), best.cell) if best else "–",
            ]
        )
    header = [
        "run",
        "data",
        "networks",
        "failed",
        "best score",
        "confirmed mean",
        "its params",
        "its training",
    ]
    return markup.table([*header, "time of all networks", "best cell"], rows)


def _fronts(
    runs: Sequence[RunData], names: Sequence[str], objectives: Sequence[Objective], path: Path
) -> str:
    from popnas.report import canvas, fronts

    axes = fronts.dimensions(objectives, runs[0].score_name)
    if len(axes) < 2:
        return ""
    points, listed = [], []
    for run, name in zip(runs, names, strict=True):
        front = trained_front(run.state, [item.name for item in objectives])
        listed += [[name, each.cell, *(item.value(each) for item in objectives)] for each in front]
        rows = [[item.value(evaluation) for item in objectives] for evaluation in front]
        points.append(np.array(rows, dtype=np.float64).reshape(len(rows), len(objectives)))
    write_table(_beside(path, "fronts"), ["run", "cell", *(item.name for item in objectives)], listed)

    def paint() -> Figure:
        columns = len(axes) - 1
        figure, rows = canvas.panels(
            1, columns, "Fronts of the trained cells", width=4.4, height=3.4, margins=canvas.Margins(top=0.75)
        )
        for column, place in enumerate(rows[0]):
            for number, (name, values) in enumerate(zip(canvas.labels(names), points, strict=True)):
                values = values[np.argsort(values[:, column + 1], kind="stable")] if len(values) else values
                colour, marker = canvas.series(number)
                x, y = values[:, column + 1], values[:, 0]
                if columns == 1:
                    place.step(x, y, where="post", color=colour, lw=1.2)
                place.plot(x, y, marker, color=colour, ms=6, mew=0, alpha=0.85, label=name)
            fronts.label_axis(place.xaxis, axes[column + 1])
            fronts.label_axis(place.yaxis, axes[0])
        canvas.legend(rows[0][0], loc="lower right")
        return figure

    return figure_html(canvas.encode_painted(paint), "The front of each run over all objectives of the runs.")


def _volumes(
    runs: Sequence[RunData], names: Sequence[str], objectives: Sequence[Objective], path: Path
) -> str:
    from popnas.report import canvas, hypervolumes, markup

    volumes = hypervolumes.of_runs(runs, objectives)
    listed = [
        [name, item.step, item.alone, item.so_far]
        for name, steps in zip(names, volumes, strict=True)
        for item in steps
    ]
    write_table(_beside(path, "hypervolume"), ["run", "step", "alone", "so_far"], listed)

    def paint() -> Figure:
        figure, rows = canvas.panels(1, 1, "Hypervolume of all cells so far", width=5.6, height=3.0)
        for number, (name, steps) in enumerate(zip(canvas.labels(names), volumes, strict=True)):
            colour, marker = canvas.series(number)
            x, y = [item.step for item in steps], [item.so_far for item in steps]
            rows[0][0].plot(x, y, marker + "-", color=colour, label=name)
        last = max((item.step for steps in volumes for item in steps), default=0)
        rows[0][0].set(xlabel="step (blocks per cell)", ylabel="hypervolume (0 to 1)", xticks=range(last + 1))
        rows[0][0].set_ylim(0, 1.05)
        canvas.legend(rows[0][0], loc="lower right")
        return figure

    rows: list[list[markup.Value | str]] = [
        [name, markup.score(steps[-1].so_far if steps else None)]
        for name, steps in zip(names, volumes, strict=True)
    ]
    caption = "All objectives scaled to 0..1 over all evaluations of all runs, worst corner as reference."
    image = figure_html(canvas.encode_painted(paint), caption)
    return image + markup.table(["run", "hypervolume at its end"], rows)


def _best_cells(runs: Sequence[RunData], names: Sequence[str]) -> str:
    from popnas.report import markup
    from popnas.report.sections._cells import cell_svg

    cards = [
        f'<figure class="card">{cell_svg(run.state.best.cell, run)}<figcaption><strong>{markup.text(name)}: '
        f"{markup.score(run.state.best.score).html}</strong></figcaption></figure>"
        for run, name in zip(runs, names, strict=True)
        if run.state.best is not None
    ]
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""
