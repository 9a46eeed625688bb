"""`popnas draw`: a cell as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from popnas.cli.terminal.ending import written_to_option
from popnas.cli.terminal.output import echo
from popnas.printable import quoted


@click.command("draw")
@click.option(
    "--spec", required=True, metavar="CELL", help='The cell, e.g. "[(-2, identity, -1, 3x3 conv)]".'
)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    default="cell.svg",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its suffix says how: .svg, .pdf, .png or .dot (for Graphviz).",
)
@click.option(
    "--all-blocks",
    is_flag=True,
    help="Join all blocks in the output, as with concat_only_unused_blocks false.",
)
def command(spec: str, output: Path, all_blocks: bool) -> None:
    """Draw a cell: its inputs, blocks and operators from top to bottom."""
    from popnas import operators
    from popnas.cells import Cell
    from popnas.report.drawing import draw_cell

    cell = Cell.parse(spec)
    for name in sorted(cell.operators):
        operators.parse(name)
    with written_to_option("-o"):
        draw_cell(cell, output, concatenates_only_unused=not all_blocks)
    echo(f"Drawing: {quoted(output)}")
