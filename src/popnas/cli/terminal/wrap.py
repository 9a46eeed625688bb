"""Text in lines of a terminal's width: broken between words, never within a command, a path or a cell."""

from __future__ import annotations

import os
import re
from typing import TextIO

# What is copied as a whole: `commands`, [(cells)], 'values', 'quoted/paths' of any length, operators (3x3:2dr
# conv, 8r SE), and a command that stands after a colon, with as many spaces as align it with other lines.
_AFTER_COLON = "|".join(f"(?<=:{' ' * count})" for count in range(1, 9))
_WHOLE = (
    r"`[^`\n]*`|\[\([^\]\n]*\)\]|(?<!\w)'(?:[^'\n]{1,80}|[^'\n]*/[^'\n]*)'(?!\w)"
    r"|(?<![\w/.])[\dKR][\w:-]* (?:SE|\w*(?:conv|pool|cvt))(?!\w)"
    rf"|(?:{_AFTER_COLON}|^)(?:\S*python\S* -m )?(?:[^\s()]*/)?popnas(?: (?:'[^'\n]*'|[^\s'()])+)+"
)
_PIECE = re.compile(rf"(?:{_WHOLE}|\S)+", re.MULTILINE)
_OUTER_INDENT = 4
"""Where a hanging indent leaves too little room for a piece, it starts here."""


def width_of(stream: TextIO | None) -> int | None:
    """Columns of the terminal behind a stream; None: it is none, and nothing is wrapped."""
    if stream is None or not stream.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


def pieces(text: str) -> list[str]:
    """What is never broken: words, and longer things that are copied as a whole."""
    return _PIECE.findall(text)


def wrap(text: str, width: int | None, hanging: int | None = None) -> str:
    """Every line of `text` in lines of at most `width` columns; a piece that is longer stands on a line of
    its own as it is. Further lines are indented as their first one, or by `hanging` columns."""
    if width is None:
        return text
    return "\n".join(
        line if columns_of(line) <= width else "\n".join(_broken(line, width, hanging))
        for line in text.split("\n")
    )


def columns_of(text: str) -> int:
    """Columns that a text takes on a terminal: wide letters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _broken(line: str, width: int, hanging: int | None) -> list[str]:
    found = list(_PIECE.finditer(line))
    if not found:
        return [""]
    indent = found[0].start() if hanging is None else hanging
    longest = max(columns_of(piece[0]) for piece in found)
    if indent + longest > width:
        indent = min(indent, _OUTER_INDENT)
    if indent + longest > width:
        indent = 0
    lines, end = [line[: found[0].end()]], found[0].end()
    for piece in found[1:]:
        gap = line[end : piece.start()]
        if columns_of(lines[-1] + gap + piece[0]) <= width:
            lines[-1] += gap + piece[0]
        else:
            lines.append(" " * indent + piece[0])
        end = piece.end()
    return lines
