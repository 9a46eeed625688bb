"""The Pareto front of what was trained, beside those that the predictors expected: pairwise."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot
from popnas.report.fronts import Fronts, compute_fronts, fronts_table, label_axis
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def compute(run: RunData) -> Fronts | None:
    """All trained cells and the selected predictions."""
    return compute_fronts(run)


def paint(info: Fronts) -> Figure:
    """Every pair of objectives: real on the left, predicted on the right for one pair, together for more."""
    pairs = [(second, first) for first, second in combinations(range(len(info.dimensions)), 2)]
    if len(pairs) == 1:
        figure, rows = canvas.panels(
            1, 2, "Pareto fronts: trained and predicted", height=3.6, margins=canvas.Margins(top=0.95)
        )
        _paint_real(rows[0][0], info, *pairs[0], has_line=True)
        rows[0][0].set_title("trained cells")
        _paint_predicted(rows[0][1], info, *pairs[0])
        rows[0][1].set_title("predicted fronts, as selected for training")
        low, high = zip(*(axes.get_ylim() for axes in rows[0]), strict=True)
        left, right = zip(*(axes.get_xlim() for axes in rows[0]), strict=True)
        for axes in rows[0]:
            axes.set(xlim=(min(left), max(right)), ylim=(min(low), max(high)))
        return figure
    num_columns = min(len(pairs), 3) if len(pairs) != 4 else 2
    num_rows = -(-len(pairs) // num_columns)
    figure, rows = canvas.panels(
        num_rows,
        num_columns,
        "Pareto front of the trained cells, pairwise",
        width=3.3,
        height=2.8,
        margins=canvas.Margins(left=0.9),
    )
    places = [axes for row in rows for axes in row]
    for axes, pair in zip(places, pairs, strict=False):
        _paint_real(axes, info, *pair, has_line=False)
        for values in info.predicted.values():
            axes.plot(
                values[:, pair[0]], values[:, pair[1]], "x", color=canvas.VERMILION, ms=4, mew=1, alpha=0.7
            )
    _legend(places[0], info, has_predicted=bool(info.predicted))
    for axes in places[len(pairs) :]:
        axes.set_visible(False)
    return figure


def _paint_real(axes: Axes, info: Fronts, x: int, y: int, *, has_line: bool) -> None:
    colours = canvas.step_colours(sorted(set(info.steps.tolist())))
    for step, colour in colours.items():
        chosen = info.values[info.steps == step]
        axes.plot(
            chosen[:, x], chosen[:, y], "o", color=colour, ms=4.5, mew=0, alpha=0.8, label=f"step {step}"
        )
    front = info.values[info.is_on_front]
    order = np.argsort(front[:, x], kind="stable")
    if has_line:
        axes.step(front[order, x], front[order, y], where="post", color=canvas.INK, lw=1.2)
    axes.plot(front[:, x], front[:, y], "o", mfc="none", mec=canvas.INK, ms=8, mew=1.2, label="front")
    if has_line:
        canvas.legend(axes, loc="lower right", handletextpad=0.2)
    label_axis(axes.xaxis, info.dimensions[x])
    label_axis(axes.yaxis, info.dimensions[y])


def _paint_predicted(axes: Axes, info: Fronts, x: int, y: int) -> None:
    colours = canvas.step_colours(sorted({*info.steps.tolist(), *info.predicted}))
    front = info.values[info.is_on_front]
    order = np.argsort(front[:, x], kind="stable")
    axes.step(front[order, x], front[order, y], where="post", color=canvas.INK, lw=1.2, label="trained front")
    for step, values in info.predicted.items():
        values = values[np.argsort(values[:, x], kind="stable")]
        axes.step(values[:, x], values[:, y], where="post", color=colours[step], lw=1, ls="--")
        axes.plot(
            values[:, x],
            values[:, y],
            "x",
            color=colours[step],
            ms=5,
            mew=1.4,
            label=f"step {step}, predicted",
        )
    canvas.legend(axes, loc="lower right", handletextpad=0.4)
    label_axis(axes.xaxis, info.dimensions[x])
    label_axis(axes.yaxis, info.dimensions[y])


def _legend(axes: Axes, info: Fronts, *, has_predicted: bool) -> None:
    if has_predicted:
        axes.plot([], [], "x", color=canvas.VERMILION, ms=4, label="predicted front")
    canvas.legend(axes, loc="best", fontsize=8, handletextpad=0.2)


FIGURES.register("pareto_fronts", description="real and predicted Pareto fronts, pairwise")(
    Plot(
        1,
        "Pareto front",
        "Ringed cells are on the front: no trained cell is better in one objective without being worse in "
        "another one. With more than two objectives a ringed cell may look beaten in a single panel.",
        compute,
        paint,
        fronts_table,
    )
)
