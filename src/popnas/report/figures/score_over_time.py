"""How the best score rose with the time that candidates took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNITS = ((2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@dataclass(frozen=True)
class ScoreOverTime:
    """N trained networks in the order in which they were done: `seconds` (N,) of all candidates until then,
    failed ones too, summed over workers; `scores` (N,) and `steps` (N,)."""

    score_name: str
    seconds: np.ndarray
    scores: np.ndarray
    steps: np.ndarray

    @property
    def best_so_far(self) -> np.ndarray:
        """(N,)."""
        return np.maximum.accumulate(self.scores)


def compute(run: RunData) -> ScoreOverTime | None:
    """By the clock where it was read, else by the times of the trainings."""
    rows, spent = [], 0.0
    for item in run.state.evaluations:
        spent += item.wall_seconds or item.training_seconds or 0.0
        if item.score is not None and item.step > 0:
            rows.append((spent, item.score, item.step))
    if not rows:
        return None
    seconds_N, scores_N, steps_N = (np.array(column) for column in zip(*rows, strict=True))
    return ScoreOverTime(run.score_name, seconds_N, scores_N, steps_N)


def paint(info: ScoreOverTime) -> Figure:
    """A dot per network, and the best so far as a line."""
    figure, rows = canvas.panels(1, 1, "Score over time", width=6.4, height=3.0)
    axes = rows[0][0]
    last = float(info.seconds[-1])
    scale, unit = next((scale, unit) for least, scale, unit in _UNITS if last >= least)
    time_N = info.seconds / scale
    for step, colour in canvas.step_colours(sorted(set(info.steps.tolist()))).items():
        chosen = info.steps == step
        axes.plot(time_N[chosen], info.scores[chosen], "o", color=colour, ms=4.5, mew=0, label=f"step {step}")
    axes.step(time_N, info.best_so_far, where="post", color=canvas.VERMILION, label="best so far")
    axes.set(xlabel=f"time of all candidates so far ({unit})", ylabel=f"validation {info.score_name}")
    canvas.legend(axes, loc="lower right", handletextpad=0.2)
    return figure


def table(info: ScoreOverTime) -> Table:
    """A line per network."""
    columns = (info.seconds, info.steps, info.scores, info.best_so_far)
    return Table(["seconds_so_far", "step", "score", "best_so_far"], [*zip(*columns, strict=True)])


FIGURES.register("score_over_time", description="scores and the best of them over time")(
    Plot(
        13,
        "Step by step",
        "Time is what all candidates took until then, failed ones too, summed over workers: with several "
        "workers the search itself was faster.",
        compute,
        paint,
        table,
    )
)
