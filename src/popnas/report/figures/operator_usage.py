"""Which operators the search prefers, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.report.figures import FIGURES, Plot
from popnas.report.run_data import RunData
from popnas.report.usage import Usage, compute_usage, paint_usage

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def compute(run: RunData) -> Usage | None:
    """Shares of every operator of the search space."""
    names = sorted(run.operators)
    return compute_usage(run, "operators", names, lambda block: (block.op1, block.op2))


def paint(info: Usage) -> Figure:
    """Shaded tables."""
    return paint_usage(info, "Use of operators (% of all operators in the cells)")


FIGURES.register("operator_usage", description="operators in the front, in exploration and in trained cells")(
    Plot(
        21,
        "Operators and inputs",
        "What the predicted front prefers, what exploration adds because the front neglects it, and what was "
        "really trained. Every column adds up to 100 %.",
        compute,
        paint,
    )
)
