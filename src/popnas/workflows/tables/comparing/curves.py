"""The curves of a comparison: a table of their points, and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas.report import canvas
from popnas.storage import write_table
from popnas.workflows.tables.comparing.request import EVERYTHING
from popnas.workflows.tables.comparing.results import AXES, ComparisonResult, Curve95

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLES = {
    "score_regret": "regret of the score",
    "hypervolume_regret": "regret of the hypervolume",
    "test_regret": "regret of the test figure (points)",
}
_AXES = {"networks": "networks evaluated", "seconds": "seconds of simulated training"}


def write_points(path: Path, curves: Sequence[Curve95]) -> None:
    """A row for each point of each curve."""
    header = ("method", "axis", "figure", "at", "mean", "low", "high")
    rows = [
        (curve.method, curve.axis, curve.figure, *point)
        for curve in curves
        for point in zip(
            *(values.tolist() for values in (curve.at, curve.mean, curve.low, curve.high)), strict=True
        )
    ]
    write_table(path, header, rows)


def paint(result: ComparisonResult, curves: Sequence[Curve95]) -> Figure:
    """A row for each regret, a column for each axis; the band is the interval over seeds, the dotted line
    who sees the whole table once."""
    figures = [name for name in _TITLES if any(curve.figure == name for curve in curves)]
    seeds = f"mean of {result.request.seeds} searches, 95 % interval" if result.request.seeds > 1 else ""
    title = f"What is missing to the best of the table ({seeds})" if seeds else "What is missing to the best"
    margins = canvas.Margins(bottom=0.95)
    grid, rows = canvas.panels(len(figures), len(AXES), title, width=4.6, height=3.0, margins=margins)
    for axes_row, figure in zip(rows, figures, strict=True):
        for axes, axis in zip(axes_row, AXES, strict=True):
            shown = [curve for curve in curves if (curve.figure, curve.axis) == (figure, axis)]
            _panel(axes, result, shown)
            axes.set(xlabel=_AXES[axis], ylabel=_TITLES[figure])
    handles, labels = rows[0][0].get_legend_handles_labels()
    grid.legend(handles, labels, loc="lower center", ncols=5)
    return grid


def _panel(axes: Axes, result: ComparisonResult, curves: Sequence[Curve95]) -> None:
    """One regret along one axis, on a logarithmic scale; a mean of 0 stands at its lower end."""
    means = np.concatenate([curve.mean for curve in curves]) if curves else np.ones(1)
    floor = means[means > 0].min(initial=1.0) / 2
    names = result.request.names
    for number, (name, label) in enumerate(zip(names, canvas.labels(names), strict=True)):
        for curve in (curve for curve in curves if curve.method == name):
            colour, marker = canvas.series(number)
            look = {"color": colour, "marker": marker, "markevery": 10, "markersize": 4}
            axes.plot(curve.at, curve.mean.clip(floor), label=label, **look)
            low, high = curve.low.clip(floor), curve.high.clip(floor)
            axes.fill_between(curve.at, low, high, color=colour, alpha=0.1, linewidth=0)
    least = result.everything.get(curves[0].figure) if curves else None
    if least is not None and least.mean > floor:
        axes.axhline(least.mean, color=canvas.MUTED, linestyle=":", label=f"{EVERYTHING} seen once")
    canvas.log_scale_y(axes)
    axes.set_ylim(floor * 0.9, max(float(means.max()) * 1.3, floor * 2))
