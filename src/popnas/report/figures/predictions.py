"""All predictions of every step, with what was selected from them.

Hundreds of thousands of candidates are counted in a grid, so that none is left out and painting takes no
longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.printable import counted
from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.fronts import Dimension, dimensions, label_axis
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

_NUM_BINS = 70


def _shades() -> ListedColormap:
    """Greys from one that a single candidate is seen in on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["Greys"](np.linspace(0.4, 1.0, 256)))


@dataclass(frozen=True)
class StepGrid:
    """A step's candidates, as its first round predicted them, as counts on a grid (bins along x, bins along
    y), with the grid's edges, and the selected cells by group as points (n, 2), as they were predicted when
    they were selected."""

    step: int
    num_candidates: int
    counts: np.ndarray
    x_edges: np.ndarray
    y_edges: np.ndarray
    selected: dict[str, np.ndarray]


@dataclass(frozen=True)
class PredictionGrids:
    """`x` and `y` are the axes; without a second objective (PNAS mode) `x` is None and candidates are counted
    along the score only."""

    x: Dimension | None
    y: Dimension
    steps: list[StepGrid]


def compute(run: RunData) -> PredictionGrids | None:
    """Score against the first other objective."""
    axes = dimensions(run.objectives, run.score_name)
    second = axes[1] if len(axes) > 1 else None
    names = [second.name, "score"] if second else ["score", "score"]
    steps = []
    for step in sorted({step for step, _ in run.state.predictions}):
        arrays = run.predictions(step)
        if arrays is None or any(name not in arrays or len(arrays[name]) == 0 for name in names):
            continue
        x_N, y_N = (arrays[name] for name in names)
        counts, x_edges, y_edges = np.histogram2d(x_N, y_N, bins=_NUM_BINS)
        chosen = [
            item for item in run.state.proposals.get(step, []) if all(n in item.predictions for n in names)
        ]
        points = {
            group: np.array(
                [[item.predictions[name] for name in names] for item in chosen if item.group == group]
            ).reshape(-1, 2)
            for group in canvas.MARKS
        }
        steps.append(StepGrid(step, len(y_N), counts, x_edges, y_edges, points))
    return PredictionGrids(second, axes[0], steps) if steps else None


def paint(info: PredictionGrids) -> Figure:
    """A panel per step."""
    from matplotlib.colors import LogNorm

    num_columns = min(len(info.steps), 3)
    figure, rows = canvas.panels(
        -(-len(info.steps) // num_columns),
        num_columns,
        "Predictions of all candidates",
        width=3.6,
        height=3.0,
        margins=canvas.Margins(left=0.9, top=0.95),
    )
    places = [axes for row in rows for axes in row]
    for axes, item in zip(places, info.steps, strict=False):
        if info.x is None:
            axes.stairs(item.counts.sum(axis=0), item.y_edges, fill=True, color="#9ca3af")
            for value in item.selected["front"][:, 1]:
                axes.axvline(value, color=canvas.VERMILION, lw=1)
            label_axis(axes.xaxis, info.y)
            axes.set_ylabel("number of candidates")
        else:
            axes.use_sticky_edges = False  # a point at the edge of the grid must not be cut in half
            grid = np.ma.masked_equal(item.counts.T, 0)
            axes.pcolormesh(
                item.x_edges,
                item.y_edges,
                grid,
                norm=LogNorm(1, max(item.counts.max(), 2)),
                cmap=_shades(),
            )
            for group, (marker, colour) in canvas.MARKS.items():
                if len(points := item.selected[group]):
                    label = "selected front" if group == "front" else group
                    axes.plot(*points.T, marker, color=colour, ms=5, mew=0, label=label)
            canvas.legend(axes, loc="lower right", handletextpad=0.2)
            label_axis(axes.xaxis, info.x)
            label_axis(axes.yaxis, info.y)
        axes.set_title(f"step {item.step}: {counted(item.num_candidates, 'candidate')}")
    for axes in places[len(info.steps) :]:
        axes.set_visible(False)
    return figure


def table(info: PredictionGrids) -> Table:
    """A line per field of a grid that holds candidates, and per selected cell."""
    names = ["score" if info.x is None else info.x.name, "score"]
    rows: list[list[object]] = []
    for grid in info.steps:
        middles = [(edges[1:] + edges[:-1]) / 2 for edges in (grid.x_edges, grid.y_edges)]
        for (x, y), count in np.ndenumerate(grid.counts):
            if count:
                rows.append([grid.step, "candidates", middles[0][x], middles[1][y], int(count)])
        for group, points in grid.selected.items():
            rows += [[grid.step, group, x, y, 1] for x, y in points]
    return Table(["step", "group", f"x_{names[0]}", f"y_{names[1]}", "count"], rows)


FIGURES.register("predictions", description="predictions of all candidates with the selected front")(
    Plot(
        31,
        "Predictors",
        "Every candidate of a step is counted, darker where there are more. Only the marked ones were "
        "trained.",
        compute,
        paint,
        table,
    )
)
