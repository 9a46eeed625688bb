"""What commands print: JSON for programs, tables for people; and what a terminal must not be told."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

# Control characters move the cursor, change colours and titles; these others turn the direction of writing.
# Lone surrogates stand for bytes of file names that are no UTF-8.
_HARMFUL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

_GAP = 2
_LONG_WORD = 30
"""A longer word (a path) may be broken."""


def printable(text: str) -> str:
    """A text with names of users' classes and files in it, for a terminal: harmful characters as \\x1b."""
    return _HARMFUL.sub(lambda found: ascii(found[0])[1:-1], text)


def echo(text: object = "", *, err: bool = False) -> None:
    """A line for people on standard output, or with `err` on standard error."""
    click.echo(printable(str(text)), err=err)


def print_json(value: Any) -> None:
    """Indented JSON on stdout; a number that JSON cannot hold is our mistake."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; elsewhere the same columns, two spaces apart, nothing cut or wrapped."""
    cells = [["" if cell is None else _one_line(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(headers, cells)
        return
    lines = [list(headers), *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _print_rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    words = [
        [len(word) for line in (headers, *rows) for word in line[i].split()] for i in range(len(headers))
    ]
    needed = sum(min(max(lengths, default=0), _LONG_WORD) + _GAP for lengths in words) - _GAP
    if needed <= console.width:
        console.print(_table(headers, rows))
        return
    for row in rows:  # columns too narrow for their words cannot be read: a block per row
        console.print(_record(headers, row))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as they are: no markup, no emoji by name
    return table


def _record(headers: Sequence[str], row: Sequence[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for place, (header, cell) in enumerate(zip(headers, row, strict=True)):
        if cell:
            name = Text(header if place == 0 else f"  {header}", style="bold" if place == 0 else "")
            table.add_row(name, Text(cell))
    return table
