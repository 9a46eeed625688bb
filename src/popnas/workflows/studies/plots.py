"""Predicted against real values, a figure for each step of each source."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from popnas import objectives
from popnas.report import canvas
from popnas.storage import write_bytes
from popnas.workflows.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4


def write(folder: Path, study: Study) -> list[Path]:
    """A PNG for each source and step, of the first seed.

    Raises:
        StorageError: the disk refused.
    """
    groups: dict[tuple[str, int], list[Asked]] = {}
    first = min(item.seed for item in study.fits)
    for item in study.fits:
        if item.seed == first:
            groups.setdefault((item.source, item.split.step), []).append(item)
    sources = [*study.by_name]
    paths = []
    for (source, step), items in groups.items():
        path = folder / f"predicted_{sources.index(source) + 1}_step{step}.png"
        write_bytes(path, canvas.encode_painted(partial(_figure, items, study.objective)))
        paths.append(path)
    return paths


def _figure(items: list[Asked], objective: str) -> Figure:
    items = sorted(items, key=lambda item: -(item.figures.spearman or -1))
    columns = min(_COLUMNS, len(items))
    step = items[0].split.step
    asked = f"cells of {step} blocks" if step else "cells of any size"
    figure, rows = canvas.panels(
        -(-len(items) // columns),
        columns,
        f"{canvas.label(items[0].source, 40)}: predicted against real {objective.replace('_', ' ')}, {asked}",
        width=2.5,
        height=2.5,
        margins=canvas.Margins(left=0.95, gap=0.9, row_gap=0.95, top=0.95),
    )
    panels = [axes for row in rows for axes in row]
    for axes in panels[len(items) :]:
        axes.set_visible(False)
    for axes, item in zip(panels, items, strict=False):
        _paint(axes, item, objective)
    return figure


def _paint(axes: Axes, item: Asked, objective: str) -> None:
    low, high = float(item.real.min()), float(item.real.max())
    axes.plot([low, high], [low, high], color=canvas.MUTED, lw=1, ls="--")
    axes.plot(item.real, item.predicted, ".", color=canvas.BLUE, alpha=0.4, ms=4, mew=0)
    parts = [f"MAPE {item.figures.mape:.1f} %"] if item.figures.mape is not None else []
    parts += [f"Spearman {item.figures.spearman:.2f}"] if item.figures.spearman is not None else []
    axes.set_title(f"{canvas.label(item.predictor)}\n" + ", ".join(parts), size=8.5)
    axes.set(xlabel="real", ylabel="predicted")
    unit = canvas.shown_unit(objectives.get(objective).unit)
    if unit:
        canvas.scale_axis(axes.xaxis, unit)
        canvas.scale_axis(axes.yaxis, unit)
