"""Real and predicted Pareto fronts as numbers: shared by the figures that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.objectives import Objective
from popnas.report import canvas
from popnas.report.run_data import RunData
from popnas.report.tables import Table
from popnas.runs.front import trained_front

if TYPE_CHECKING:
    from matplotlib.axis import Axis


@dataclass(frozen=True)
class Dimension:
    """An objective as an axis."""

    name: str
    title: str
    unit: str
    is_maximized: bool


@dataclass(frozen=True)
class Fronts:
    """N trained cells, M objectives (score first).

    `values` (N, M), `steps` (N,), `is_on_front` (N,) of the trained cells; `predicted`: per step the
    predicted values (n, M) of the front that was selected.
    """

    dimensions: list[Dimension]
    values: np.ndarray
    steps: np.ndarray
    is_on_front: np.ndarray
    predicted: dict[int, np.ndarray]


def dimensions(objectives: Sequence[Objective], score_name: str) -> list[Dimension]:
    """Objectives as axes."""
    return [
        Dimension(
            item.name,
            f"validation {score_name}" if item.name == "score" else item.title,
            canvas.shown_unit(item.unit),
            item.is_maximized,
        )
        for item in objectives
    ]


def compute_fronts(run: RunData) -> Fronts | None:
    """The fronts of a run; None without trained cells, or if the score is the only objective."""
    objectives = run.objectives
    rows = [(item, [objective.value(item) for objective in objectives]) for item in run.cells]
    rows = [(item, values) for item, values in rows if None not in values]
    if len(objectives) < 2 or not rows:
        return None
    on_front = {item.cell for item in trained_front(run.state)}
    predicted = {}
    for step, proposals in sorted(run.state.proposals.items()):
        known = [
            [item.predictions[objective.name] for objective in objectives]
            for item in proposals
            if item.group == "front" and all(objective.name in item.predictions for objective in objectives)
        ]
        if known:
            predicted[step] = np.array(known, dtype=np.float64)
    return Fronts(
        dimensions(objectives, run.score_name),
        np.array([values for _, values in rows], dtype=np.float64),
        np.array([item.step for item, _ in rows]),
        np.array([item.cell in on_front for item, _ in rows]),
        predicted,
    )


def fronts_table(info: Fronts) -> Table:
    """A line per trained cell, and per predicted one that was selected."""
    names = [item.name for item in info.dimensions]
    rows = [
        ["trained", step, int(is_on_front), *values]
        for step, is_on_front, values in zip(info.steps, info.is_on_front, info.values, strict=True)
    ]
    rows += [["predicted", step, "", *values] for step, found in info.predicted.items() for values in found]
    return Table(["kind", "step", "is_on_front", *names], rows)


def label_axis(axis: Axis, dimension: Dimension) -> None:
    """Title and ticks of an objective's axis."""
    better = "higher is better" if dimension.is_maximized else "lower is better"
    axis.set_label_text(f"{dimension.title} ({better})")
    if dimension.name != "score":
        canvas.scale_axis(axis, dimension.unit)
