"""The text form of a cell, `[(-2, 3x3 conv, -1, identity);(0, 2x2 maxpool, -1, identity)]`.

The reader walks over the text once, so its time is linear whatever it is given, and every error names the
position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from popnas.errors import CellSyntaxError

EXAMPLE = "[(-2, 1x3-3x1 conv, -1, 3x3 conv);(-1, identity, 0, 2x2 maxpool)]"

# What gives a text its structure cannot stand in a name, so that every cell prints without quotes and parses
# back.
RESERVED = "()[],;'\""

_INTEGER = re.compile(r"-?[0-9]{1,4}(?![0-9])")
_NAME = re.compile(r"[^()\[\],;'\"]*")
_SHOWN_AROUND = 24

Fields = tuple[int, str, int, str]


def is_operator_name(name: object) -> bool:
    """Whether `name` can stand in a cell's text: printable, no reserved character, no space at its ends."""
    return (
        isinstance(name, str)
        and name != ""
        and name == name.strip()
        and name.isprintable()
        and not any(character in RESERVED for character in name)
    )


def format_blocks(blocks: Sequence[Fields]) -> str:
    """The text of a list of blocks; "[]" for none."""
    return "[" + ";".join(f"({in1}, {op1}, {in2}, {op2})" for in1, op1, in2, op2 in blocks) + "]"


def parse_blocks(text: str) -> list[Fields]:
    """The blocks that a cell's text lists, as (in1, op1, in2, op2); which inputs exist is not checked here.

    Raises:
        CellSyntaxError: names the position, what was expected there and what was found.
    """
    reader = _Reader(text)
    reader.expect("[", "'[' to open the cell")
    blocks: list[Fields] = []
    if not reader.accept("]"):
        blocks.append(reader.block())
        while not reader.accept("]"):
            reader.expect(";", "';' before another block or ']' to close the cell")
            blocks.append(reader.block())
    reader.expect_end()
    return blocks


class _Reader:
    """A position in the text, moved forward by what was expected there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def block(self) -> Fields:
        self.expect("(", "'(' to open a block")
        in1 = self.integer("the first input")
        self.expect(",", "',' after the first input")
        op1 = self.name("the first operator")
        self.expect(",", "',' after the first operator")
        in2 = self.integer("the second input")
        self.expect(",", "',' after the second input")
        op2 = self.name("the second operator")
        self.expect(")", "')' to close the block")
        return in1, op1, in2, op2

    def integer(self, what: str) -> int:
        self.skip_spaces()
        match = _INTEGER.match(self.text, self.position)
        if match is None:
            self.fail(f"{what}, a whole number (-1, -2, ... for a lookback, 0, 1, ... for an earlier block)")
        self.position = match.end()
        return int(match.group())

    def name(self, what: str) -> str:
        self.skip_spaces()
        start = self.position
        quote = self.text[start : start + 1]
        if quote and quote in "'\"":
            end = self.text.find(quote, start + 1)
            if end < 0:
                self.fail(f"{what} with a closing {quote}")
            name, self.position = self.text[start + 1 : end].strip(), end + 1
        else:
            match = _NAME.match(self.text, start)
            assert match is not None  # the pattern matches the empty string
            name, self.position = match.group().strip(), match.end()
        if not is_operator_name(name):
            self.position = start
            self.fail(f"{what}, a name such as 3x3 conv (printable, without any of {' '.join(RESERVED)})")
        return name

    def accept(self, character: str) -> bool:
        self.skip_spaces()
        is_there = self.text.startswith(character, self.position)
        self.position += is_there
        return is_there

    def expect(self, character: str, what: str) -> None:
        if not self.accept(character):
            self.fail(what)

    def expect_end(self) -> None:
        self.skip_spaces()
        if self.position < len(self.text):
            self.fail("nothing after the closing ']'")

    def skip_spaces(self) -> None:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1

    def fail(self, expected: str) -> NoReturn:
        found = repr(self.text[self.position]) if self.position < len(self.text) else "the end of the text"
        raise CellSyntaxError(
            f"the cell {_excerpt(self.text, self.position)} is wrong at character {self.position + 1}: "
            f"expected {expected}; found {found}. A cell looks like {EXAMPLE}; [] is the empty cell."
        )


def _excerpt(text: str, position: int) -> str:
    start, end = max(0, position - _SHOWN_AROUND), position + _SHOWN_AROUND
    return ("... " if start else "") + repr(text[start:end]) + (" ..." if end < len(text) else "")
