"""Which inputs the search prefers, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.report.figures import FIGURES, Plot
from popnas.report.run_data import RunData
from popnas.report.usage import Usage, compute_usage, paint_usage

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def compute(run: RunData) -> Usage | None:
    """Shares of every lookback and of earlier blocks, as far as the search went."""
    depth = run.lookback_depth
    farthest = max(run.state.proposals, default=0)
    inputs = [*range(-depth, 0), *range(max(farthest - 1, 0))]
    return compute_usage(
        run, "inputs", [_label(value) for value in inputs], lambda b: (_label(b.in1), _label(b.in2))
    )


def paint(info: Usage) -> Figure:
    """Shaded tables."""
    return paint_usage(info, "Use of inputs (% of all inputs in the cells)")


def _label(value: int) -> str:
    return f"lookback {value}" if value < 0 else f"block {value}"


FIGURES.register("input_usage", description="inputs in the front, in exploration and in trained cells")(
    Plot(
        22,
        "Operators and inputs",
        "Lookback -1 is the previous cell's output, -2 that of the one before; blocks are those of the same "
        "cell.",
        compute,
        paint,
    )
)
