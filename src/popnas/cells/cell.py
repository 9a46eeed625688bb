"""Block and Cell: immutable values with one text form and one canonical form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import index as as_integer
from typing import Any, NamedTuple

from popnas.cells.canonical import canonical_blocks
from popnas.cells.text import RESERVED, format_blocks, is_operator_name, parse_blocks
from popnas.errors import CellSyntaxError, UserError
from popnas.printable import shortened

# Inputs are kept as 16-bit integers in bulk arrays.
_FARTHEST_LOOKBACK = -9999


class Block(NamedTuple):
    """Two inputs with an operator on each, joined by add or average.

    An input is a lookback (-1 the previous cell's output, -2 the one before) or the index of an earlier block
    of the same cell.
    """

    in1: int
    op1: str
    in2: int
    op2: str


@dataclass(frozen=True)
class Cell:
    """A list of blocks, each reading lookbacks and earlier blocks; equal to another if written the same.

    Examples:
        >>> cell = Cell.parse("[(-1, 3x3 conv, -2, identity)]")
        >>> cell.key
        '[(-2, identity, -1, 3x3 conv)]'
        >>> cell.is_equivalent(Cell.parse("[(-2, 'identity', -1, '3x3 conv')]"))
        True

    Raises:
        CellSyntaxError: a block reads itself or a later block, or an operator's name could not stand in the
            text.
    """

    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        try:
            checked = tuple(_checked_block(index, fields) for index, fields in enumerate(self.blocks))
        except TypeError:
            raise UserError(
                "a cell is made of blocks (in1, op1, in2, op2), or of a text by Cell.parse(text), got "
                f"{shortened(repr(self.blocks))} ({type(self.blocks).__name__})."
            ) from None
        object.__setattr__(self, "blocks", checked)

    @classmethod
    def parse(cls, text: str) -> Cell:
        """The cell that a text describes: operators may stand in quotes, "[]" is the empty cell.

        Raises:
            CellSyntaxError: names the position, what was expected there, and shows a valid cell.
        """
        return cls(tuple(Block(*fields) for fields in parse_blocks(text)))

    def __str__(self) -> str:
        return format_blocks(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def __bool__(self) -> bool:
        # Without it the empty cell, a cell like any other, would be false because its length is 0.
        return True

    @cached_property
    def _canonical(self) -> Cell:
        found = Cell(tuple(Block(*fields) for fields in canonical_blocks(self.blocks)))
        found.__dict__["_canonical"] = found  # of what is canonical nothing need be looked for again
        return found

    def canonical(self) -> Cell:
        """The canonical form: one for all equivalent cells, stable across processes and versions."""
        return self._canonical

    @cached_property
    def key(self) -> str:
        """The text of the canonical form."""
        return str(self.canonical())

    def is_equivalent(self, other: Cell) -> bool:
        """Whether renumbering blocks and swapping halves can turn this cell into the other."""
        return len(self) == len(other) and self.canonical() == other.canonical()

    @property
    def sort_key(self) -> tuple[int, tuple[Block, ...]]:
        """The place in the order of canonical forms: fewer blocks first, then block by block."""
        return len(self), self.canonical().blocks

    @property
    def operators(self) -> set[str]:
        """The names of the operators used."""
        return {name for block in self.blocks for name in (block.op1, block.op2)}

    @property
    def lookbacks(self) -> tuple[int, ...]:
        """The lookbacks used, nearest first: (-1, -2) for one that reads both."""
        return tuple(sorted({value for value in self._inputs() if value < 0}, reverse=True))

    @property
    def unused_blocks(self) -> tuple[int, ...]:
        """The indices of the blocks that no other block reads."""
        read = set(self._inputs())
        return tuple(index for index in range(len(self)) if index not in read)

    def _inputs(self) -> Iterable[int]:
        return (value for block in self.blocks for value in (block.in1, block.in2))


def _checked_block(index: int, fields: Iterable[Any]) -> Block:
    block = Block(*fields)
    for value in (block.in1, block.in2):
        _check_input(index, block, value)
    for name in (block.op1, block.op2):
        if not is_operator_name(name):
            raise CellSyntaxError(
                f"block {index} of the cell has the operator {name!r}; an operator's name must be printable "
                f"text without spaces at its ends and without any of {' '.join(RESERVED)}, as in 3x3 conv"
            )
    return Block(as_integer(block.in1), str(block.op1), as_integer(block.in2), str(block.op2))


def _check_input(index: int, block: Block, value: Any) -> None:
    try:
        number = as_integer(value)
    except TypeError:
        raise CellSyntaxError(
            f"block {index} of the cell has the input {value!r}; an input must be a whole number"
        ) from None
    if _FARTHEST_LOOKBACK <= number < index:
        return
    earlier = "none, as it is the first" if index == 0 else "0" if index == 1 else f"0 to {index - 1}"
    raise CellSyntaxError(
        f"block {index} of the cell, {format_blocks([block])[1:-1]}, has the input {number}; a block "
        f"reads lookbacks (-1 the previous cell, -2 the one before, ...) or blocks before it "
        f"(here {earlier}), never itself or a later one"
    )
