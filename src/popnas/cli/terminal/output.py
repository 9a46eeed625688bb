"""What commands print: JSON for programs, tables and texts for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

from popnas.cli.terminal.json_log import JSON_LOG
from popnas.cli.terminal.part_of_job import TOLD_BY_JOB
from popnas.cli.terminal.wrap import columns_of, pieces, width_of, wrap
from popnas.events import NOTE, JobEvent, PhaseStarted, Told, Warned
from popnas.printable import one_line, printable, printable_json

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_GAP = 2


def shown(text: object, stream: TextIO | None) -> str:
    """A text as people read it on a stream: nothing harmful, and wrapped where it is a terminal."""
    return wrap(printable(str(text)), width_of(stream))


def echo(text: object = "", *, err: bool = False) -> None:
    """A line for people on standard output, or with `err` on standard error, where `--log-json` makes a JSON
    line of it."""
    if err and JSON_LOG.is_on:
        JSON_LOG.line("info", "told", {"text": str(text)})
        return
    click.echo(shown(text, sys.stderr if err else sys.stdout), err=err)


def words_of(event: JobEvent) -> str | None:
    """What an event is as a line of its own, wherever there is no bar; None: nothing."""
    match event:
        case Warned(text):
            return None if text in TOLD_BY_JOB else warning_line(text)
        case Told(text) | PhaseStarted(text):
            return text
    return None


def warning_line(text: str) -> str:
    """A warning as a line of its own, or the note that it is."""
    return one_line(text) if text.startswith(NOTE) else f"Warning: {one_line(text)}"


def echo_events(event: JobEvent) -> None:
    """A listener that prints what is told on standard error."""
    if JSON_LOG.is_on:
        JSON_LOG(event)
    elif (line := words_of(event)) is not None:
        echo(line, err=True)


def print_json(value: Any) -> None:
    """Indented JSON on stdout; a number that JSON cannot hold is our mistake."""
    print_json_line(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_json_line(document: str) -> None:
    """A JSON document for programs, never wrapped: what a terminal must not be told is escaped as JSON."""
    click.echo(printable_json(document))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; elsewhere the same columns, two spaces apart, nothing cut or wrapped."""
    cells = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(headers, cells)
        return
    lines = [list(headers), *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _print_rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    width = width_of(sys.stdout) or console.width
    widths = _widths([headers, *rows], width)
    if widths is not None:
        console.print(_table(headers, rows, widths), soft_wrap=True)
        return
    for row in rows:  # columns too narrow for their words cannot be read: a block per row
        for line in _record(headers, row, width):
            console.print(line, soft_wrap=True)


def _widths(lines: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """How wide each column of a table is: as its longest cell, less where there is no room, never less than
    a piece that stays whole. None: there is no room for these either."""
    columns = [[line[i] for line in lines] for i in range(len(lines[0]))]
    least = [
        max((columns_of(piece) for cell in column for piece in pieces(cell)), default=1) for column in columns
    ]
    widths = [max(1, *map(columns_of, column)) for column in columns]
    room = width - _GAP * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max((i for i in range(len(widths)) if widths[i] > least[i]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for header, width in zip(headers, widths, strict=True):
        table.add_column(wrap(header, width), width=width, no_wrap=True)
    for row in rows:
        # As they are: no markup, no emoji by name.
        table.add_row(*(Text(wrap(cell, width)) for cell, width in zip(row, widths, strict=True)))
    return table


def _record(headers: Sequence[str], row: Sequence[str], width: int) -> list[Text]:
    """A row as lines of a name and a value each; the first name stands out."""
    from rich.text import Text

    names = [headers[0], *(f"  {header}" for header in headers[1:])]
    start = max(map(columns_of, names)) + _GAP
    lines = []
    for name, cell in zip(names, row, strict=True):
        if cell:
            gap = " " * (start - columns_of(name))
            line = Text(wrap(f"{name}{gap}{cell}", width, start))
            if name == names[0]:
                line.stylize("bold", 0, len(name))
            lines.append(line)
    return lines
