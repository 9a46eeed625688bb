"""Cells as several sections and pages draw them."""

from __future__ import annotations

from popnas.cells import Cell
from popnas.report.drawing import lay_out, svg_text
from popnas.report.run_data import RunData


def cell_svg(cell: str, run: RunData) -> str:
    """The drawing of a cell, with the output that the run's networks have."""
    return svg_text(lay_out(Cell.parse(cell), concatenates_only_unused=run.joins_only_unused))
