"""The best cells trained again with other seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from popnas.printable import counted
from popnas.report import canvas, confirmed
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ConfirmedScores:
    """The confirmed cells, by the search's own score."""

    score_name: str
    cells: list[confirmed.ConfirmedCell]


def compute(run: RunData) -> ConfirmedScores | None:
    """Cells with at least one repetition that did not fail."""
    cells = confirmed.confirmed_cells(run)
    return ConfirmedScores(run.score_name, cells) if cells else None


def paint(info: ConfirmedScores) -> Figure:
    """A line per cell: repetitions, mean with interval, and the search's own score."""
    figure, rows = canvas.panels(
        1,
        1,
        "The best cells trained again with other seeds",
        width=5.6,
        height=max(0.42 * len(info.cells), 1.0),
        margins=canvas.Margins(left=1.55, top=0.85),
    )
    axes = rows[0][0]
    for place, cell in enumerate(info.cells):
        colour = canvas.ORANGE if cell.evaluation.step == 1 else canvas.BLUE
        summary = cell.summary
        axes.plot(cell.scores, [place + 0.16] * len(cell.scores), ".", color=colour, ms=6, alpha=0.7)
        axes.errorbar(summary.mean, place, xerr=summary.half, fmt="o", color=colour, capsize=3, ms=6)
        axes.plot(cell.evaluation.score, place - 0.16, "x", color=canvas.MUTED, ms=6)
    axes.plot([], [], "o-", color=canvas.INK, label="mean, 95 % interval")
    axes.plot([], [], ".", color=canvas.INK, ms=6, label="one seed")
    axes.plot([], [], "x", color=canvas.MUTED, ms=6, label="score in the search")
    canvas.legend(axes, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3, fontsize=8.5)
    labels = [f"{_rank(place)}, {_blocks(cell.evaluation.step)}" for place, cell in enumerate(info.cells)]
    axes.set_yticks(range(len(labels)), labels)
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlabel=f"validation {info.score_name}")
    axes.grid(axis="y", visible=False)
    return figure


def _rank(place: int) -> str:
    return f"cell {place + 1}"


def _blocks(count: int) -> str:
    return counted(count, "block")


def table(info: ConfirmedScores) -> Table:
    """A line per training with another seed."""
    header = ["place", "cell", "blocks", "search_score", "mean", "interval_half", "repetition", "score"]
    rows = [
        [place, item.cell, item.step, item.score, cell.summary.mean, cell.summary.half, repetition, score]
        for place, cell in enumerate(info.cells, start=1)
        for item in (cell.evaluation,)
        for repetition, score in enumerate(cell.scores, start=1)
    ]
    return Table(header, rows)


FIGURES.register("confirmations", description="the best cells trained again with other seeds")(
    Plot(
        0,
        "Confirmation",
        "Cells are numbered by their score in the search, which is too good on average, being the best of "
        "many. Orange: cells of a single block.",
        compute,
        paint,
        table,
    )
)
