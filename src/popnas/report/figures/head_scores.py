"""Networks with several outputs: how good each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class HeadScores:
    """Scores of N cells at each of their H outputs, first to last, (N, H)."""

    score_name: str
    scores: np.ndarray


def compute(run: RunData) -> HeadScores | None:
    """Only for networks with the usual number of outputs (few stacked cells may have fewer) and more than
    one.
    """
    metric = run.score_metric or "accuracy"
    found = [
        [head.get(metric) for head in item.head_metrics] for item in run.cells if len(item.head_metrics) > 1
    ]
    found = [row for row in found if None not in row]
    if not found:
        return None
    lengths = [len(row) for row in found]
    usual = max(set(lengths), key=lambda length: (lengths.count(length), length))
    return HeadScores(run.score_name, np.array([row for row in found if len(row) == usual], dtype=np.float64))


def paint(info: HeadScores) -> Figure:
    """Boxes of the scores per output, and how often each is the best."""
    num_heads = info.scores.shape[1]
    figure, rows = canvas.panels(1, 2, "Scores of the networks' outputs", height=2.8, width=3.8)
    names = [f"{number + 1}" if number < num_heads - 1 else "last" for number in range(num_heads)]
    left, right = rows[0]
    left.boxplot(
        list(info.scores.T),
        widths=0.5,
        medianprops={"color": canvas.VERMILION},
        flierprops={"ms": 3, "alpha": 0.5},
    )
    left.set_xticks(range(1, num_heads + 1), names)
    left.set(xlabel="output, from the first cells to the last", ylabel=f"best validation {info.score_name}")
    wins = np.bincount(info.scores.argmax(axis=1), minlength=num_heads)
    right.bar(range(1, num_heads + 1), 100 * wins / len(info.scores), color=canvas.BLUE, width=0.6)
    right.set_xticks(range(1, num_heads + 1), names)
    right.set(xlabel="output", ylabel="best output of the network (% of cells)", ylim=(0, 100))
    return figure


def table(info: HeadScores) -> Table:
    """A line per cell, a column per output."""
    return Table([f"output_{head}" for head in range(1, info.scores.shape[1] + 1)], info.scores.tolist())


FIGURES.register("head_scores", description="scores of each output of multi-output networks")(
    Plot(
        12,
        "Step by step",
        "Each output has its own best epoch. Where an early output is as good as the last, a shallower "
        "network would do.",
        compute,
        paint,
        table,
    )
)
