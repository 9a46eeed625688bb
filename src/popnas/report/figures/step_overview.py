"""Scores and training times of the trained cells, step by step, as an overview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class StepOverview:
    """Per step with a trained cell its scores and its training times (seconds)."""

    score_name: str
    scores: dict[int, list[float]]
    seconds: dict[int, list[float]]


def compute(run: RunData) -> StepOverview | None:
    """The figures of all successes, the empty cell's among them."""
    scores: dict[int, list[float]] = {}
    seconds: dict[int, list[float]] = {}
    for item in run.state.successes:
        if item.score is not None and item.training_seconds is not None:
            scores.setdefault(item.step, []).append(item.score)
            seconds.setdefault(item.step, []).append(item.training_seconds)
    return StepOverview(run.score_name, scores, seconds) if scores else None


def paint(info: StepOverview) -> Figure:
    """Mean, range and best so far, a panel for scores and one for times."""
    figure, rows = canvas.panels(1, 2, "Scores and training times over the steps")
    _paint_range(rows[0][0], info.scores, f"validation {info.score_name}", canvas.BLUE)
    best = np.maximum.accumulate([max(values) for values in info.scores.values()])
    rows[0][0].plot(list(info.scores), best, "--", color=canvas.VERMILION, label="best so far")
    canvas.legend(rows[0][0], loc="lower right")
    _paint_range(rows[0][1], info.seconds, "training time (s)", canvas.GREEN)
    rows[0][1].set_ylim(bottom=0)
    canvas.legend(rows[0][1], loc="upper left")
    return figure


def _paint_range(axes: Axes, groups: dict[int, list[float]], label: str, colour: str) -> None:
    steps = list(groups)
    low, high = [min(values) for values in groups.values()], [max(values) for values in groups.values()]
    axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0, label="lowest to highest")
    axes.vlines(steps, low, high, color=colour, alpha=0.35, lw=1)
    axes.plot(steps, [float(np.mean(values)) for values in groups.values()], "o-", color=colour, label="mean")
    axes.set(xlabel="step (blocks per cell)", ylabel=label, xticks=steps)
    axes.set_xlim(min(steps) - 0.3, max(steps) + 0.3)


def table(info: StepOverview) -> Table:
    """A line per cell."""
    rows = [
        [step, score, seconds]
        for step, scores in info.scores.items()
        for score, seconds in zip(scores, info.seconds[step], strict=True)
    ]
    return Table(["step", "score", "training_seconds"], rows)


FIGURES.register("step_overview", description="scores and training times over the steps")(
    Plot(
        10,
        "Step by step",
        "Each step adds a block to the best cells of the step before. Step 0 is the network without cells.",
        compute,
        paint,
        table,
    )
)
