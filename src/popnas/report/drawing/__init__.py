"""A cell's drawing: one layout (`layout`), painted as SVG text (`svg`) or by matplotlib (`paint`: PNG, PDF)
or written as DOT for Graphviz, which then lays it out itself (`dot`).

Knows cells only: no run, no torch. Colours of operators are in `families`; positions in `placement`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from popnas.cells import Cell
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.report.drawing.dot import dot_text
from popnas.report.drawing.layout import lay_out
from popnas.report.drawing.svg import svg_text
from popnas.storage import write_bytes

SUFFIXES = (".svg", ".pdf", ".png", ".dot")
"""What `draw_cell` can write."""


def draw_cell(cell: Cell, path: Path, *, concatenates_only_unused: bool = True) -> None:
    """Draw a cell into a file whose suffix says how: .svg, .pdf, .png or .dot.

    `concatenates_only_unused`: the output joins the blocks that no other reads (else all of them).

    Raises:
        UserError: another suffix.
        StorageError: the disk refused.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{quoted(path)}: a drawing's file must end in one of {', '.join(SUFFIXES)}, but ends in "
            f"'{path.suffix}'. Give another name with `output`."
        )
    if suffix == ".dot":
        data = dot_text(cell, concatenates_only_unused=concatenates_only_unused).encode()
    elif suffix == ".svg":
        data = svg_text(lay_out(cell, concatenates_only_unused=concatenates_only_unused)).encode()
    else:
        from popnas.report import canvas
        from popnas.report.drawing.paint import paint

        layout = lay_out(cell, concatenates_only_unused=concatenates_only_unused)
        data = canvas.encode_painted(partial(paint, layout), suffix[1:], dpi=200)
    write_bytes(path, data)


__all__ = ["SUFFIXES", "dot_text", "draw_cell", "lay_out", "svg_text"]
