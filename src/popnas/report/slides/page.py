"""What slides are drawn of: texts at places in inches, figures of the report, tables, cells.

All pages have one size. A figure of the report that is larger gets smaller panels, its texts stay as large as
those of the other pages.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from popnas.cells import Cell
from popnas.report import canvas
from popnas.report.drawing import lay_out
from popnas.report.drawing.paint import paint_on
from popnas.report.figures import FIGURES, Plot
from popnas.report.run_data import RunData

WIDTH, HEIGHT = 10.0, 5.625
"""Inches of a page, as those of presentations: text of 12 points is read from the last row."""

LEFT = 0.55
_TOP, _BELOW = 0.42, 0.95
_POINTS_PER_INCH = 72


@dataclass(frozen=True)
class Grid:
    """A table of texts; `widths`: shares of its columns."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]


@dataclass(frozen=True)
class Frame:
    """A place on a page, in inches from the left and the bottom."""

    left: float
    bottom: float
    width: float
    height: float


def blank(title: str | None) -> Figure:
    """A page with a title, or none."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    if title is not None:
        say(figure, title, _TOP, size=20, weight="bold")
    return figure


def say(figure: Figure, text: str, y: float, *, left: float = LEFT, **look: object) -> None:
    """Write a text whose top left is so many inches from the left and the top."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - y / height, text, va="top", **look)


def tiles(figure: Figure, found: Sequence[tuple[str, str]], y: float, left: float = LEFT) -> None:
    """Large figures side by side, each with its name below."""
    for place, (name, value) in enumerate(found):
        x = left + 2.3 * place
        say(figure, value, y, left=x, size=20, weight="bold")
        say(figure, textwrap.fill(name, 26), y + 0.4, left=x, size=10, color=canvas.MUTED)


def table(title: str, grid: Grid) -> Figure:
    """A page of a table; texts are broken where their columns end."""
    figure, y = blank(title), 1.1
    inches = [share * (WIDTH - 2 * LEFT) for share in grid.widths]
    lefts = [LEFT + sum(inches[:column]) for column in range(len(inches))]
    if any(grid.header):
        for left, name in zip(lefts, grid.header, strict=True):
            say(figure, name, y, left=left, size=10, color=canvas.MUTED)
        y += 0.34
    # A character of 11 points is a twelfth of an inch wide, generously.
    widths = [max(int(11.5 * width), 8) for width in inches]
    for row in grid.rows:
        texts = [textwrap.fill(text, width) for text, width in zip(row, widths, strict=True)]
        for left, text in zip(lefts, texts, strict=True):
            say(figure, text, y, left=left, size=11, linespacing=1.15)
        y += 0.2 * max(text.count("\n") + 1 for text in texts) + 0.18
    return figure


def draw(figure: Figure, run: RunData, cell: str, frame: Frame) -> None:
    """A cell in the middle of a frame, as large as it can be there."""
    layout = lay_out(Cell.parse(cell), concatenates_only_unused=run.joins_only_unused)
    points = frame.width * _POINTS_PER_INCH / layout.width, frame.height * _POINTS_PER_INCH / layout.height
    scale = min(*points, 1.0)
    width, height = (size * scale / _POINTS_PER_INCH for size in (layout.width, layout.height))
    left = frame.left + (frame.width - width) / 2
    bottom = frame.bottom + (frame.height - height) / 2
    axes = figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))
    paint_on(axes, layout, scale)


def of_report(name: str, run: RunData) -> Iterator[Figure]:
    """The page of a figure of the report, where it applies."""
    plot = FIGURES.get(name)
    info = plot.compute(run)
    if info is not None:
        yield on_page(plot, info)


def on_page(plot: Plot, info: object, title: str | None = None) -> Figure:
    """A figure of the report in the middle of a page, its heading where those of slides are, its caption
    below."""
    figure = plot.paint(info)
    inner_width, inner_height = figure.get_size_inches()
    boxes = np.array([axes.get_position(original=True).bounds for axes in figure.axes])
    boxes *= (inner_width, inner_height, inner_width, inner_height)
    inner_width = _fit(boxes[:, 0::2], inner_width, WIDTH - 2 * LEFT)
    inner_height = _fit(boxes[:, 1::2], inner_height, HEIGHT - _BELOW)
    left, bottom = (WIDTH - inner_width) / 2, _BELOW + (HEIGHT - _BELOW - inner_height) * 0.35
    figure.set_size_inches(WIDTH, HEIGHT)
    boxes = (boxes + np.array([left, bottom, 0, 0])) / (WIDTH, HEIGHT, WIDTH, HEIGHT)
    for axes, box in zip(figure.axes, boxes, strict=True):
        axes.set_position(tuple(box))
    for heading in figure.texts:
        heading.set_position((LEFT / WIDTH, 1 - _TOP / HEIGHT))
        heading.set_fontsize(20)
        heading.set_text(title or heading.get_text())
    caption = textwrap.fill(plot.caption, int(15 * (WIDTH - 2 * LEFT)))
    figure.text(LEFT / WIDTH, 0.45 / HEIGHT, caption, size=9, va="bottom", color=canvas.MUTED)
    return figure


def _fit(spans: np.ndarray, size: float, limit: float) -> float:
    """Narrow panels until a figure has at most the limit; what stands between them keeps its size.

    Args:
        spans: (panels, 2), begin and length of each in one direction, in inches; changed in place. Panels
            that begin at the same place are one above the other.
        size: of the whole figure in that direction, in inches.

    Returns:
        The figure's size afterwards.
    """
    excess = size - limit
    begins = np.unique(spans[:, 0].round(6))
    lengths = np.array([spans[spans[:, 0].round(6) == begin, 1].max() for begin in begins])
    if excess <= 0 or lengths.sum() <= excess:
        return size
    share = excess / lengths.sum()
    before = np.concatenate([[0.0], np.cumsum(lengths * share)])
    spans[:, 0] -= before[np.searchsorted(begins, spans[:, 0].round(6))]
    spans[:, 1] *= 1 - share
    return limit


def foot(figure: Figure, name: str, number: int) -> None:
    """The run's name and the page's number."""
    look = {"size": 8, "color": canvas.MUTED, "va": "bottom"}
    figure.text(LEFT / WIDTH, 0.16 / HEIGHT, canvas.label(name, 60), **look)
    figure.text(1 - LEFT / WIDTH, 0.16 / HEIGHT, str(number), ha="right", **look)
