"""What each operator costs, as the dynamic reindex measured it (docs/search.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from popnas import objectives
from popnas.objectives.rows import TIME
from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class OperatorTimes:
    """`costs`: per kind of time, operator to cost in 0..1, dearest first by the first kind."""

    costs: dict[str, dict[str, float]]


def compute(run: RunData) -> OperatorTimes | None:
    """The costs of the run; None before single-block cells are trained, or if none had a result."""
    costs = {kind: found for kind, found in (run.state.operator_costs or {}).items() if any(found.values())}
    if not costs:
        return None
    first = next(iter(costs.values()))
    order = sorted(first, key=lambda name: (-first[name], name))
    return OperatorTimes(
        {kind: {name: found.get(name, 0.0) for name in order} for kind, found in costs.items()}
    )


def paint(info: OperatorTimes) -> Figure:
    """Horizontal bars, a panel per kind of time."""
    names = list(next(iter(info.costs.values())))
    left = 0.35 + 0.075 * max(len(name) for name in names)
    figure, rows = canvas.panels(
        1,
        len(info.costs),
        "Operators' cost relative to the dearest",
        width=3.2,
        height=max(0.28 * len(names), 0.8),
        margins=canvas.Margins(left=left, gap=0.35, right=0.45),
    )
    for axes, (kind, costs) in zip(rows[0], info.costs.items(), strict=True):
        values = list(costs.values())
        axes.barh(
            range(len(names)), values, color=canvas.BLUE if kind == TIME.name else canvas.GREEN, height=0.66
        )
        for place, value in enumerate(values):
            axes.text(value + 0.015, place, f"{value:.2f}", va="center", size=8.5, color=canvas.MUTED)
        axes.set_yticks(
            range(len(names)),
            canvas.labels(names) if axes is rows[0][0] else [""] * len(names),
        )
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        title = objectives.get(kind).title
        axes.set(xlim=(0, 1.12), ylim=(len(names) - 0.4, -0.6), xlabel=f"cost from {title}")
    return figure


def table(info: OperatorTimes) -> Table:
    """A line per operator and kind of time."""
    rows = [[kind, name, cost] for kind, costs in info.costs.items() for name, cost in costs.items()]
    return Table(["time", "operator", "cost"], rows)


FIGURES.register("operator_costs", description="what each operator costs")(
    Plot(
        20,
        "Operators and inputs",
        "What a cell of this operator alone adds to the network without cells, of what is named below the "
        "panel, divided by what the dearest operator adds. The predictors of these figures learn from it.",
        compute,
        paint,
        table,
    )
)
