"""Which operators and which inputs the search prefers, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.cells import Block, Cell
from popnas.report import canvas
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Elements = Callable[[Block], tuple[str, str]]


@dataclass(frozen=True)
class Usage:
    """Per group of cells and step, element to share of all uses (0..1); `what` are "operators" or
    "inputs".
    """

    what: str
    elements: list[str]
    groups: dict[str, dict[int, dict[str, float]]]


def _compute(run: RunData, what: str, elements: list[str], of_block: Elements) -> Usage | None:
    """Uses in the predicted front, the exploration and the trained cells of each step."""
    trained: dict[int, list[str]] = {}
    for item in run.cells:
        trained.setdefault(item.step, []).append(item.cell)
    groups: dict[str, dict[int, list[str]]] = {"front": {}, "exploration": {}, "trained": trained}
    # Cells drawn at random say nothing of what the search prefers: they are among the trained ones only.
    for step, proposals in sorted(run.state.proposals.items()):
        for proposed in proposals:
            if step >= 2 and proposed.group in groups:
                groups[proposed.group].setdefault(step, []).append(proposed.cell)
    shares = {
        name: {step: _shares(cells, of_block) for step, cells in steps.items()}
        for name, steps in groups.items()
        if steps
    }
    if not shares:
        return None
    seen = {element for steps in shares.values() for found in steps.values() for element in found}
    return Usage(what, [*elements, *sorted(seen - set(elements))], shares)


def _shares(cells: Iterable[str], of_block: Elements) -> dict[str, float]:
    counts = Counter(
        element for cell in cells for block in Cell.parse(cell).blocks for element in of_block(block)
    )
    total = sum(counts.values())
    return {element: count / total for element, count in counts.items()}


def table(info: Usage) -> Table:
    """A line per group, step and element."""
    rows = [
        [group, step, element, shares.get(element, 0.0)]
        for group, steps in info.groups.items()
        for step, shares in steps.items()
        for element in info.elements
    ]
    return Table(["cells", "step", info.what, "share"], rows)


_TITLES = {
    "front": "selected from the predicted front",
    "exploration": "selected to explore",
    "trained": "trained",
}


def _paint(info: Usage, title: str) -> Figure:
    """A table of shaded shares per group: elements down, steps across."""
    widest = max(max(len(steps) for steps in info.groups.values()), 3)
    figure, rows = canvas.panels(
        1,
        len(info.groups),
        title,
        width=0.62 * widest,
        height=max(0.3 * len(info.elements), 0.9),
        margins=canvas.Margins(
            left=0.35 + 0.075 * max(len(element) for element in info.elements), gap=0.35, top=0.95
        ),
    )
    figures = [
        share for steps in info.groups.values() for found in steps.values() for share in found.values()
    ]
    highest = max(figures, default=1.0)
    for axes, (group, steps) in zip(rows[0], info.groups.items(), strict=True):
        table = np.array([[found.get(name, 0.0) for found in steps.values()] for name in info.elements])
        axes.imshow(table, cmap="Blues", vmin=0, vmax=highest, aspect="auto")
        for (row, column), share in np.ndenumerate(table):
            ink = "white" if share > 0.6 * highest else canvas.INK
            axes.text(
                column,
                row,
                f"{100 * share:.0f}" if share else "·",
                ha="center",
                va="center",
                color=ink,
                size=8.5,
            )
        names = canvas.labels(info.elements)
        axes.set_yticks(range(len(names)), names if axes is rows[0][0] else [""] * len(names))
        axes.set_xticks(range(len(steps)), list(steps))
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_title(_TITLES[group], size=9)
        axes.set_xlabel("step")
    return figure


def compute_operators(run: RunData) -> Usage | None:
    """Shares of every operator of the search space."""
    names = sorted(run.operators)
    return _compute(run, "operators", names, lambda block: (block.op1, block.op2))


def compute_inputs(run: RunData) -> Usage | None:
    """Shares of every lookback and of earlier blocks, as far as the search went."""
    depth = run.lookback_depth
    farthest = max(run.state.proposals, default=0)
    inputs = [*range(-depth, 0), *range(max(farthest - 1, 0))]
    return _compute(
        run, "inputs", [_label(value) for value in inputs], lambda b: (_label(b.in1), _label(b.in2))
    )


def _label(value: int) -> str:
    return f"lookback {value}" if value < 0 else f"block {value}"


def paint_operators(info: Usage) -> Figure:
    """Shaded tables."""
    return _paint(info, "Use of operators (% of all operators in the cells)")


def paint_inputs(info: Usage) -> Figure:
    """Shaded tables."""
    return _paint(info, "Use of inputs (% of all inputs in the cells)")


FIGURES.register("operator_usage", description="operators in the front, in exploration and in trained cells")(
    Plot(
        21,
        "Operators and inputs",
        "What the predicted front prefers, what exploration adds because the front neglects it, and what was "
        "really trained. Every column adds up to 100 %.",
        compute_operators,
        paint_operators,
        table,
    )
)
FIGURES.register("input_usage", description="inputs in the front, in exploration and in trained cells")(
    Plot(
        22,
        "Operators and inputs",
        "Lookback -1 is the previous cell's output, -2 that of the one before; blocks are those of the same "
        "cell.",
        compute_inputs,
        paint_inputs,
        table,
    )
)
