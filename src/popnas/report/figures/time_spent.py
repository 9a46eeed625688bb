"""Where the time of the search went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.printable import counted
from popnas.report import canvas, durations
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def compute(run: RunData) -> list[durations.StepTime] | None:
    """Per step, the seconds of its candidates."""
    return durations.per_step(run) or None


def paint(info: list[durations.StepTime]) -> Figure:
    """Stacked bars, a bar per step."""
    figure, rows = canvas.panels(
        1,
        1,
        "Where the candidates' time went",
        width=6.2,
        height=max(0.34 * len(info), 0.9),
        margins=canvas.Margins(left=0.85, right=1.0, top=0.8),
    )
    axes = rows[0][0]
    left = np.zeros(len(info))
    places = range(len(info))
    for field, colour, label in (
        ("training", canvas.BLUE, "training"),
        ("validation", canvas.SKY, "validation"),
        ("other", canvas.ORANGE, "the rest: building, measuring, writing, waiting for a core"),
        ("failed", canvas.VERMILION, "failed candidates"),
    ):
        seconds = np.array([getattr(item, field) for item in info])
        if seconds.any():
            axes.barh(places, seconds, left=left, color=colour, label=label, height=0.66)
            left += seconds
    for place, item in enumerate(info):
        count = counted(item.num_networks, "network")
        axes.text(left[place] + 0.01 * left.max(), place, count, va="center", size=8.5, color=canvas.MUTED)
    axes.set_yticks(places, [f"step {item.step}" for item in info])
    axes.set(ylim=(len(info) - 0.5, -0.5), xlabel="time over all workers")
    canvas.scale_axis(axes.xaxis, "s")
    axes.grid(axis="y", visible=False)
    canvas.legend(
        axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=8.5, handlelength=1.0
    )
    return figure


def table(info: list[durations.StepTime]) -> Table:
    """A line per step, in seconds."""
    names = ["step", "num_networks", "training", "validation", "other", "failed"]
    return Table(names, [[getattr(item, name) for name in names] for item in info])


FIGURES.register("time_spent", description="training, validation and the rest per step")(
    Plot(
        41,
        "Costs",
        "Seconds as each worker measured them; with several workers the search itself took less.",
        compute,
        paint,
        table,
    )
)
