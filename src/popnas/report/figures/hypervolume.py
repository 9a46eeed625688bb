"""The hypervolume of the trained cells, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from popnas.report import canvas, hypervolumes
from popnas.report.figures import FIGURES, Plot, Table
from popnas.report.hypervolumes import StepVolume
from popnas.report.run_data import RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class HypervolumeSteps:
    """The objectives' titles, and the steps."""

    objectives: list[str]
    steps: list[StepVolume]


def compute(run: RunData) -> HypervolumeSteps | None:
    """Over the objectives of the search."""
    steps = hypervolumes.per_step(run)
    return HypervolumeSteps([item.title for item in run.objectives], steps) if steps else None


def paint(info: HypervolumeSteps) -> Figure:
    """Bars for each step alone, a line for all steps so far."""
    figure, rows = canvas.panels(1, 1, "Hypervolume of the trained cells", width=5.2, height=2.7)
    axes = rows[0][0]
    steps = [item.step for item in info.steps]
    axes.bar(
        steps,
        [item.alone for item in info.steps],
        color=canvas.SKY,
        width=0.5,
        label="cells of the step alone",
    )
    so_far = [item.so_far for item in info.steps]
    axes.plot(steps, so_far, "o-", color=canvas.INK, label="all cells so far")
    for step, value, after in zip(steps, so_far, [*so_far[1:], so_far[-1]], strict=True):
        # Beside a line that rises from the point, not under it.
        is_rising = after > value
        axes.annotate(
            f"{value:.3f}",
            (step, value),
            (-3 if is_rising else 0, 5),
            textcoords="offset points",
            ha="right" if is_rising else "center",
            size=8.5,
        )
    axes.set(xlabel="step (blocks per cell)", ylabel="hypervolume (0 to 1)", xticks=steps, ylim=(0, 1.12))
    axes.set_xlim(min(steps) - 0.6, max(steps) + 0.6)
    canvas.legend(axes, loc="upper left", ncols=2)
    return figure


def table(info: HypervolumeSteps) -> Table:
    """A line per step."""
    return Table(["step", "alone", "so_far"], [[item.step, item.alone, item.so_far] for item in info.steps])


FIGURES.register("hypervolume", description="hypervolume per step")(
    Plot(
        3,
        "Pareto front",
        "The share of the objectives' space that is dominated, all objectives scaled to 0..1 over this run's "
        "evaluations with the worst corner as reference: higher is better. It is 0 where every cell has the "
        "worst value of some objective, since nothing lies between such a cell and that corner.",
        compute,
        paint,
        table,
    )
)
