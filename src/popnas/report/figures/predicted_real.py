"""How well the predictors foretold what training then showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.report import canvas, statistics
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


RANDOM = "random"
_ENOUGH_RANDOM = 4


@dataclass(frozen=True)
class Comparison:
    """One predictor in one step: predicted and real values of the cells trained, (N,), in the same order, and
    what each was chosen by. Of a step of several rounds those drawn at random are of the first one."""

    objective: str
    title: str
    unit: str
    step: int
    predicted: np.ndarray
    real: np.ndarray
    groups: list[str]
    num_rounds: int = 1

    @property
    def figures(self) -> dict[str, float | None]:
        """MAPE (percent), Spearman's rank correlation and R²; None where not defined. Where there are enough
        cells that were drawn at random, of these alone: all others were selected by these predictions."""
        has_all = not self.is_of_random  # looked at once: it counts all cells
        is_judged_N = np.array([has_all or group == RANDOM for group in self.groups])
        real, predicted = self.real[is_judged_N], self.predicted[is_judged_N]
        return {
            "MAPE": statistics.mape(real, predicted),
            "Spearman": statistics.spearman(real, predicted),
            "R²": statistics.r2(real, predicted),
        }

    @property
    def is_of_random(self) -> bool:
        """Whether the figures are those of cells drawn at random."""
        return self.groups.count(RANDOM) >= _ENOUGH_RANDOM


@dataclass(frozen=True)
class PredictedReal:
    """All comparisons, in order of objective and step."""

    comparisons: list[Comparison]


def compute(run: RunData) -> PredictedReal | None:
    """Every measured objective that was predicted, in every step in which something was trained."""
    found = []
    for objective in run.state.figures:
        if objective.is_computed:
            continue
        name = objective.name
        for step, proposals in sorted(run.state.proposals.items()):
            rows = []
            for proposed in proposals:
                evaluation = run.state.evaluation(proposed.cell)
                real = objective.value(evaluation) if evaluation and not evaluation.is_failed else None
                predicted = proposed.predictions.get(name)
                if real is not None and predicted is not None:
                    rows.append((predicted, real, proposed.group))
            if rows:
                predicted_N, real_N, groups = zip(*rows, strict=True)
                title = f"validation {run.score_name}" if name == "score" else objective.title
                unit = canvas.shown_unit(objective.unit)
                values = np.array(predicted_N), np.array(real_N)
                num_rounds = len(run.state.rounds.get(step, [0]))
                found.append(Comparison(name, title, unit, step, *values, list(groups), num_rounds))
    return PredictedReal(found) if found else None


def paint(info: PredictedReal) -> Figure:
    """A row per predictor, a column per step."""
    names = list(dict.fromkeys(item.objective for item in info.comparisons))
    steps = sorted({item.step for item in info.comparisons})
    figure, rows = canvas.panels(
        len(names),
        len(steps),
        "Predicted against real values of the trained cells",
        width=2.7,
        height=2.7,
        margins=canvas.Margins(left=0.95, gap=0.9, row_gap=0.95, top=0.95),
    )
    for axes in (axes for row in rows for axes in row):
        axes.set_visible(False)
    for item in info.comparisons:
        axes = rows[names.index(item.objective)][steps.index(item.step)]
        axes.set_visible(True)
        _paint(axes, item)
    return figure


def _paint(axes: Axes, item: Comparison) -> None:
    low = float(min(item.predicted.min(), item.real.min()))
    high = float(max(item.predicted.max(), item.real.max()))
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    axes.plot([low - margin, high + margin], [low - margin, high + margin], color=canvas.MUTED, lw=1, ls="--")
    for group, (marker, colour) in canvas.MARKS.items():
        chosen = np.array([name == group for name in item.groups])
        if chosen.any():
            axes.plot(
                item.real[chosen],
                item.predicted[chosen],
                marker,
                color=colour,
                alpha=0.75,
                ms=5,
                mew=0,
                label=group,
            )
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
    figures = item.figures
    parts = [f"MAPE {figures['MAPE']:.1f} %"] if figures["MAPE"] is not None else []
    parts += [
        f"{name} {value:.2f}" for name, value in figures.items() if name != "MAPE" and value is not None
    ]
    axes.set_title(f"{_judged(item)}\n" + ", ".join(parts), size=8.5)
    axes.set(xlabel=f"real {item.title}", ylabel=f"predicted {item.title}")
    if item.objective != "score":
        canvas.scale_axis(axes.xaxis, item.unit)
        canvas.scale_axis(axes.yaxis, item.unit)
        axes.xaxis.get_major_locator().set_params(nbins=4)
    if set(item.groups) != {"front"}:
        canvas.legend(axes, loc="best", handletextpad=0.1, fontsize=8)


def _judged(item: Comparison) -> str:
    """Which fit the figures are of: cells drawn at random are learnt from by all rounds after the first."""
    if not item.is_of_random:
        return f"step {item.step}"
    return f"step {item.step}, of random cells" + (
        f", round 1 of {item.num_rounds}" if item.num_rounds > 1 else ""
    )


def table(info: PredictedReal) -> Table:
    """A line per trained cell and predictor."""
    rows = [
        [item.objective, item.unit, item.step, group, predicted, real]
        for item in info.comparisons
        for group, predicted, real in zip(item.groups, item.predicted, item.real, strict=True)
    ]
    return Table(["objective", "unit", "step", "chosen_by", "predicted", "real"], rows)


FIGURES.register("predicted_real", description="predicted against real values per predictor and step")(
    Plot(
        30,
        "Predictors",
        "On the dashed line a prediction is exact. The search needs the right order (Spearman, 1 is "
        "perfect) more than the right value (MAPE, R²). Only selected cells are trained, so their narrow "
        "range makes the figures look worse than over all candidates; with search_strategy.random_children "
        "the figures are those of cells that were drawn at random. These are drawn in the first round of a "
        "step: with search_strategy.rounds they judge that round alone, whose predictors have learnt from "
        "smaller cells only, and not the later ones, which have learnt from these cells.",
        compute,
        paint,
        table,
    )
)
