"""How params, FLOPs, inference time and what else a search looks at go with training time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.objectives.rows import FLOPS, INFERENCE_TIME, PARAMS, TIME
from popnas.report import canvas, statistics
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CostPanel:
    """A cost against training time (seconds) over N cells of known steps."""

    title: str
    unit: str
    cost: np.ndarray
    seconds: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class CostCorrelations:
    """The panels that have values."""

    panels: list[CostPanel]


def compute(run: RunData) -> CostCorrelations | None:
    """All successes, the empty cell among them."""
    panels = []
    for objective in (PARAMS, FLOPS, INFERENCE_TIME, *run.other_objectives):
        rows = [(objective.value(item), TIME.value(item), item.step) for item in run.state.successes]
        rows = [row for row in rows if None not in row]
        if len(rows) >= 2:
            cost, seconds, steps = (np.array(column) for column in zip(*rows, strict=True))
            panels.append(CostPanel(objective.title, canvas.shown_unit(objective.unit), cost, seconds, steps))
    return CostCorrelations(panels) if panels else None


def paint(info: CostCorrelations) -> Figure:
    """A panel per cost, a colour per step."""
    figure, rows = canvas.panels(
        1,
        len(info.panels),
        "Costs against training time",
        width=3.0,
        height=2.8,
        margins=canvas.Margins(gap=0.45, top=0.95),
    )
    for axes, panel in zip(rows[0], info.panels, strict=True):
        for step, colour in canvas.step_colours(sorted(set(panel.steps.tolist()))).items():
            chosen = panel.steps == step
            axes.plot(
                panel.cost[chosen],
                panel.seconds[chosen],
                "o",
                color=colour,
                ms=4.5,
                mew=0,
                alpha=0.8,
                label=f"step {step}",
            )
        linear = statistics.pearson(panel.cost, panel.seconds)
        ranks = statistics.spearman(panel.cost, panel.seconds)
        if linear is not None and ranks is not None:
            axes.set_title(f"Pearson {linear:.2f}, Spearman {ranks:.2f}", size=9)
        axes.set_xlabel(panel.title)
        axes.set_ylim(bottom=0)
        canvas.scale_axis(axes.xaxis, panel.unit)
        canvas.scale_axis(axes.yaxis, "s")
        if axes is rows[0][0]:
            axes.set_ylabel("training time")
            canvas.legend(axes, loc="best", fontsize=8, handletextpad=0.2)
        else:
            axes.tick_params(axis="y", labelleft=False)
    return figure


def table(info: CostCorrelations) -> Table:
    """A line per cell and cost."""
    rows = [
        [panel.title, panel.unit, step, cost, seconds]
        for panel in info.panels
        for step, cost, seconds in zip(panel.steps, panel.cost, panel.seconds, strict=True)
    ]
    return Table(["cost", "unit", "step", "value", "training_seconds"], rows)


FIGURES.register("cost_correlations", description="params, FLOPs and inference time against training time")(
    Plot(
        40,
        "Costs",
        "Where these correlate weakly, a cheap-looking cell may still be slow: that is why times are "
        "predicted and not derived from sizes.",
        compute,
        paint,
        table,
    )
)
