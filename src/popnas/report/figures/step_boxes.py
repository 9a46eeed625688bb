"""How scores and costs are spread in each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.objectives import Objective
from popnas.objectives.rows import INFERENCE_TIME, PARAMS, SCORE, TIME
from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {SCORE: canvas.BLUE, TIME: canvas.GREEN, INFERENCE_TIME: canvas.PURPLE, PARAMS: canvas.ORANGE}


@dataclass(frozen=True)
class ObjectivePanel:
    """An objective, its title and unit, and per step its values."""

    objective: Objective
    title: str
    unit: str
    values: dict[int, list[float]]


@dataclass(frozen=True)
class StepBoxes:
    """The panels that have values."""

    panels: list[ObjectivePanel]


def compute(run: RunData) -> StepBoxes | None:
    """Values of all trained cells, without the empty one."""
    found = []
    for objective in (*_COLOURS, *run.other_objectives):
        title = f"validation {run.score_name}" if objective == SCORE else objective.title
        values: dict[int, list[float]] = {}
        for item in run.cells:
            value = objective.value(item)
            if value is not None:
                values.setdefault(item.step, []).append(value)
        if values:
            found.append(ObjectivePanel(objective, title, canvas.shown_unit(objective.unit), values))
    return StepBoxes(found) if found else None


def paint(info: StepBoxes) -> Figure:
    """A panel per objective: a box per step, with the cells beside it."""
    num_rows = (len(info.panels) + 1) // 2
    figure, rows = canvas.panels(
        num_rows,
        2,
        "Spread of the trained cells in each step",
        height=2.5,
        margins=canvas.Margins(row_gap=0.7, left=0.95),
    )
    places = [axes for row in rows for axes in row]
    jitter = np.random.default_rng(0)
    for axes, panel in zip(places, info.panels, strict=False):
        steps, groups = list(panel.values), list(panel.values.values())
        colour = _COLOURS.get(panel.objective, canvas.MUTED)
        for step, values in panel.values.items():
            beside = step + 0.08 + jitter.uniform(0, 0.3, len(values))
            axes.plot(beside, values, "o", ms=3.5, color=colour, alpha=0.7, mew=0)
        axes.boxplot(
            groups,
            positions=[step - 0.17 for step in steps],
            widths=0.26,
            showfliers=False,
            manage_ticks=False,
            medianprops={"color": canvas.INK},
            boxprops={"color": colour},
            whiskerprops={"color": colour},
            capprops={"color": colour},
        )
        axes.set(ylabel=panel.title, xticks=steps, xlim=(min(steps) - 0.6, max(steps) + 0.6))
        axes.set_xlabel("step (blocks per cell)")
        if panel.objective != SCORE:
            canvas.scale_axis(axes.yaxis, panel.unit)
    for axes in places[len(info.panels) :]:
        axes.set_visible(False)
    return figure


def table(info: StepBoxes) -> Table:
    """A line per cell and objective."""
    rows = [
        [panel.objective.name, panel.unit, step, value]
        for panel in info.panels
        for step, values in panel.values.items()
        for value in values
    ]
    return Table(["objective", "unit", "step", "value"], rows)


FIGURES.register("step_boxes", description="spread of scores, times and sizes in each step")(
    Plot(
        11,
        "Step by step",
        "Boxes hold the middle half of a step's cells, with the median as a line; whiskers reach to the last "
        "cell within 1.5 box lengths. Every dot is a trained cell.",
        compute,
        paint,
        table,
    )
)
