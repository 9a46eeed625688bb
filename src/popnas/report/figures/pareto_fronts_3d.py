"""The fronts of three objectives in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot
from popnas.report.fronts import Fronts, compute_fronts, fronts_table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def compute(run: RunData) -> Fronts | None:
    """Only for exactly three objectives."""
    found = compute_fronts(run)
    return found if found is not None and len(found.dimensions) == 3 else None


def paint(info: Fronts) -> Figure:
    """Trained cells and, if there is one, the last predicted front; the score upwards."""
    has_predicted = bool(info.predicted)
    figure, rows = canvas.panels(
        1,
        1 + has_predicted,
        "Pareto fronts of three objectives",
        width=4.3,
        height=3.7,
        projection="3d",
        margins=canvas.Margins(left=0.25, gap=0.55, right=0.6, bottom=0.35),
    )
    front = info.values[info.is_on_front]
    others = info.values[~info.is_on_front]
    axes = rows[0][0]
    axes.scatter(others[:, 1], others[:, 2], others[:, 0], s=9, color="#9ca3af", alpha=0.6, label="dominated")
    _paint_front(axes, front, canvas.BLUE, "trained front")
    _label(axes, info)
    if has_predicted:
        step, values = max(info.predicted.items())
        _paint_front(rows[0][1], values, canvas.VERMILION, f"predicted front, step {step}")
        _label(rows[0][1], info)
    return figure


def _paint_front(axes: Axes, values: np.ndarray, colour: str, label: str) -> None:
    axes.scatter(values[:, 1], values[:, 2], values[:, 0], s=26, color=colour, depthshade=False, label=label)
    floor = axes.get_zlim()[0]
    for score, x, y in values:
        axes.plot([x, x], [y, y], [floor, score], color=colour, lw=0.7, alpha=0.5)


def _label(axes: Axes, info: Fronts) -> None:
    score, first, second = info.dimensions
    for axis, dimension in ((axes.xaxis, first), (axes.yaxis, second), (axes.zaxis, score)):
        axis.set_label_text(dimension.title)
        axis.set_tick_params(labelsize=8, pad=0)
        if dimension.name != "score":
            canvas.scale_axis(axis, dimension.unit)
            axis.get_major_locator().set_params(nbins=4)
    axes.view_init(elev=22, azim=-125)
    canvas.legend(axes, loc="upper right", fontsize=8)


FIGURES.register("pareto_fronts_3d", description="real and predicted fronts of three objectives")(
    Plot(
        2,
        "Pareto front",
        "The score upwards, the two costs on the ground; the stems show where a point stands.",
        compute,
        paint,
        fronts_table,
    )
)
