"""`score_by_variety`: the scores of cells by how many different operators they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ScoreByVariety:
    """One (variety, score) per trained cell."""

    points: list[tuple[float, float]]


def compute(run: RunData) -> ScoreByVariety | None:
    """Only for searches that have figures of the variety."""
    points = [(item.objectives.get("variety"), item.score) for item in run.cells]
    known = [(variety, score) for variety, score in points if variety is not None and score is not None]
    return ScoreByVariety(known) if known else None


def paint(info: ScoreByVariety) -> Figure:
    """A dot per cell."""
    figure, rows = canvas.panels(1, 1, "Scores by operator variety", width=4.0, height=2.6)
    axes = rows[0][0]
    varieties, scores = zip(*info.points, strict=True)
    axes.plot(varieties, scores, ".", color=canvas.BLUE)
    axes.set(xlabel="different operators", ylabel="score")
    return figure


FIGURES.register("score_by_variety", description="scores of cells by their number of different operators")(
    Plot(90, "Costs", "Whether cells of many operators are better than others.", compute, paint)
)
