"""A layout through matplotlib, for PNG and PDF. One unit of the layout is one point."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from popnas.report.drawing.families import tint
from popnas.report.drawing.layout import FONT_SIZE, SMALL_FONT_SIZE, Box, Layout, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS_PER_INCH = 72
_ARROW = 5.0
# matplotlib's own font is wider than those that browsers choose.
_SHRINK = 0.86


def paint(layout: Layout) -> Figure:
    """The drawing as a figure of its own size."""
    figure = Figure(figsize=(layout.width / _POINTS_PER_INCH, layout.height / _POINTS_PER_INCH))
    FigureCanvasAgg(figure)
    paint_on(figure.add_axes((0, 0, 1, 1)), layout)
    return figure


def paint_on(axes: Axes, layout: Layout, scale: float = 1.0) -> None:
    """The drawing on axes of its proportions, where a unit of the layout takes `scale` points."""
    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))
    axes.axis("off")
    for line in layout.lines:
        _paint_line(axes, line, scale)
    for box in layout.boxes:
        _paint_box(axes, box, scale)


def _paint_box(axes: Axes, box: Box, scale: float) -> None:
    fill, stroke, radius, order = {
        "frame": ("#f6f7f9", "#d5d9e0", 10.0, 1),
        "lookback": ("#ffffff", box.colour, box.height / 2, 3),
        "operator": (tint(box.colour), box.colour, 5.0, 3),
        "join": ("#ffffff", box.colour, box.height / 2, 3),
        "output": ("#1f2328", "#1f2328", box.height / 2, 3),
    }[box.kind]
    left, top = box.x - box.width / 2, box.y - box.height / 2
    style = f"round,pad=0,rounding_size={radius - 0.01}"
    if box.kind == "join":
        axes.add_patch(Circle((box.x, box.y), radius, fc=fill, ec=stroke, lw=scale, zorder=order))
    else:
        size = (left, top), box.width, box.height
        axes.add_patch(FancyBboxPatch(*size, boxstyle=style, fc=fill, ec=stroke, lw=scale, zorder=order))
    if box.kind == "frame":
        font = {"size": SMALL_FONT_SIZE * _SHRINK * scale, "color": "#6b7280", "va": "center"}
        axes.text(left + 9, top + box.height - 11, box.label, zorder=4, **font)
        return
    ink = "#ffffff" if box.kind == "output" else "#1f2328"
    size_of_font = FONT_SIZE * _SHRINK * scale
    axes.text(box.x, box.y, box.label, size=size_of_font, color=ink, ha="center", va="center", zorder=4)


def _paint_line(axes: Axes, line: Line, scale: float) -> None:
    points = list(line.points)
    if line.has_arrow:
        end_x, end_y = points[-1]
        points[-1] = (end_x, end_y - _ARROW)
        triangle = [(end_x - 4, end_y - _ARROW - 1), (end_x + 4, end_y - _ARROW - 1), (end_x, end_y)]
        axes.add_patch(Polygon(triangle, closed=True, fc=line.colour, ec="none", zorder=2))
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x, y), (next_x, next_y) in itertools.pairwise(points):
        middle = (y + next_y) / 2
        vertices += [(x, middle), (next_x, middle), (next_x, next_y)]
        codes += [Path.CURVE4] * 3
    axes.add_patch(PathPatch(Path(vertices, codes), fc="none", ec=line.colour, lw=1.4 * scale, zorder=2))
