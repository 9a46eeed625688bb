"""What slides are drawn of: texts at places in inches, figures of the report, tables, cells.

A page of a figure of the report is as large as that figure needs: all pages have one shape, and a projector
shows them equally large.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    width = max(WIDTH, inner_width + 2 * LEFT, (inner_height + _BELOW) * WIDTH / HEIGHT)
    height = width * HEIGHT / WIDTH
    left, bottom = (width - inner_width) / 2, _BELOW + (height - _BELOW - inner_height) * 0.35
    figure.set_size_inches(width, height)
    for axes in figure.axes:
        x, y, own_width, own_height = axes.get_position(original=True).bounds
        axes.set_position(
            (
                (left + x * inner_width) / width,
                (bottom + y * inner_height) / height,
                own_width * inner_width / width,
                own_height * inner_height / height,
            )
        )
    for heading in figure.texts:
        heading.set_position((LEFT / width, 1 - _TOP / height))
        heading.set_fontsize(20 * width / WIDTH)
        heading.set_text(title or heading.get_text())
    caption = textwrap.fill(plot.caption, int(15 * (width - 2 * LEFT)))
    figure.text(LEFT / width, 0.45 / height, caption, size=9, va="bottom", color=canvas.MUTED)
    return figure


def foot(figure: Figure, name: str, number: int) -> None:
    """The run's name and the page's number."""
    scale = figure.get_size_inches()[0] / WIDTH
    look = {"size": 8 * scale, "color": canvas.MUTED, "va": "bottom"}
    figure.text(LEFT / WIDTH, 0.16 / HEIGHT, canvas.label(name, 60), **look)
    figure.text(1 - LEFT / WIDTH, 0.16 / HEIGHT, str(number), ha="right", **look)
