"""Help at any width: nothing that is copied is broken, and numbers have their rules in words."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from popnas.cli.terminal.wrap import columns_of, pieces, wrap

_GAP, _STEP = 2, 4
_LEAST_TEXT = 30
"""Columns that the texts beside names need; with fewer they stand below."""
_BETWEEN = re.compile(r"(-?[\d.]+)<=x<=(-?[\d.]+)")
_BOUNDS = {"x>=": "at least ", "x>": "above ", "x<=": "at most ", "x<": "below "}


class HelpFormatter(click.HelpFormatter):
    """Writes what click does, in other lines."""

    def __init__(self, width: int | None = None, max_width: int | None = None) -> None:
        # A terminal may be wider than lines that are easy to read.
        super().__init__(width=min(width, max_width or width) if width else None, max_width=max_width)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The command on a line, what it takes beside or below it; a long command below the first word."""
        begin = f"{prefix or 'Usage: '}{prog}"
        if columns_of(begin) > self.width:
            begin = f"{(prefix or 'Usage: ').rstrip()}\n{'':{_GAP}}{prog}"
        if columns_of(f"{begin} {args}") <= self.width:
            self.write(f"{begin} {args}".rstrip() + "\n")
        else:
            self.write(f"{begin}\n{self._lines(args.strip(), _STEP)}\n")

    def write_text(self, text: str) -> None:
        """Paragraphs."""
        paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
        self.write("\n\n".join(self._lines(part, self.current_indent) for part in paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = _GAP) -> None:
        """Names with texts beside them, or below where there is too little room."""
        listed = [(name, _in_words(text)) for name, text in rows]
        column = min(max((columns_of(name) for name, _ in listed), default=0), col_max) + col_spacing
        start = self.current_indent + column
        least = max([_LEAST_TEXT, *(columns_of(piece) for _, text in listed for piece in pieces(text))])
        if self.width - start < least:
            start = self.current_indent + _STEP
        for name, text in listed:
            head = f"{'':{self.current_indent}}{name}"
            if columns_of(head) + col_spacing > start:
                self.write(head + "\n" + (self._lines(text, start) + "\n" if text else ""))
            else:
                self.write((head + self._lines(text, start)[columns_of(head) :]).rstrip() + "\n")

    def _lines(self, text: str, indent: int) -> str:
        return wrap(" " * indent + text, self.width, indent)


class HelpContext(click.Context):
    """Makes commands explain themselves with `HelpFormatter`."""

    formatter_class = HelpFormatter


def dress(command: click.Command) -> click.Command:
    """Let a command and those below it explain themselves so, asked with -h or --help; in lists each has its
    first sentence, whole."""
    command.context_class = HelpContext
    if command.add_help_option:
        # click makes its own of the names of the context that asks first, and keeps it for all others.
        command.add_help_option = False
        click.help_option("-h", "--help")(command)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            dress(below)
            below.short_help = below.short_help or _first_sentence(below.help or "")
    return command


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return f"{paragraph.split('. ')[0].rstrip('.')}."


def _in_words(text: str) -> str:
    """click's `[x>=1]` in words."""
    body, bracket, extra = text.rpartition("[")
    if not bracket:
        return text
    extra = _BETWEEN.sub(r"\1 to \2", extra)
    for sign, words in _BOUNDS.items():
        extra = extra.replace(sign, words)
    return f"{body}[{extra}"
