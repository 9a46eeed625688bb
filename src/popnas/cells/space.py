"""The search space: which blocks a cell may be made of, and cells as arrays of numbers.

N cells, B blocks: arrays are named `cells_NB4`, int16, `[in1, op1, in2, op2]` per block. An operator is its
position in `SearchSpace.operators`; blocks that a cell lacks stand at the end as `[0, -1, 0, -1]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral

import numpy as np

from popnas.cells.cell import Block, Cell
from popnas.cells.text import RESERVED, is_operator_name
from popnas.errors import CellSyntaxError, UserError, must_be, nearest
from popnas.printable import shortened

NO_BLOCK = (0, -1, 0, -1)


class SearchSpace:
    """Operators, number of blocks B and lookback depth L.

    `operators` is sorted by name and without duplicates, so that the order of operator numbers is that of
    their names and canonical forms are ordered alike as arrays and as text.

    Raises:
        UserError: no operator, a name that cannot stand in a cell's text, or a number that is not positive.
    """

    def __init__(self, operators: Iterable[str], num_blocks: int, lookback_depth: int) -> None:
        if not isinstance(operators, Iterable):
            raise UserError(f"`operators` must be several names, got {shortened(repr(operators))}.")
        self.operators: tuple[str, ...] = tuple(sorted(set(operators)))
        self.num_blocks = num_blocks
        self.lookback_depth = lookback_depth
        if not self.operators:
            raise UserError("a search space needs at least one operator")
        for name in self.operators:
            if not is_operator_name(name):
                raise UserError(
                    f"{name!r} cannot be an operator's name: it must be printable text without spaces at its "
                    f"ends and without any of {' '.join(RESERVED)}"
                )
        for value, what in ((num_blocks, "number of blocks"), (lookback_depth, "lookback depth")):
            must_be(value, Integral, f"the {what}", may_be_none=False)
            if value < 1:
                raise UserError(f"the {what} must be at least 1, but is {value}")

    def __repr__(self) -> str:
        return f"SearchSpace({list(self.operators)}, {self.num_blocks}, {self.lookback_depth})"

    @classmethod
    def covering(cls, cells: Iterable[Cell]) -> SearchSpace:
        """The smallest space that holds some cells (with the operator identity if they use none)."""
        cells = list(cells)
        operators = set().union(*(cell.operators for cell in cells)) or {"identity"}
        depth = max((-value for cell in cells for value in cell.lookbacks), default=1)
        return cls(operators, max((len(cell) for cell in cells), default=1) or 1, depth)

    @property
    def num_operators(self) -> int:
        """How many operators there are."""
        return len(self.operators)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.operators)}

    def inputs(self, step: int) -> np.ndarray:
        """The inputs that the block added at a step (1 to B) may read, int16: -L..-1 and 0..step-2."""
        return np.arange(-self.lookback_depth, step - 1, dtype=np.int16)

    def count_new_blocks(self, step: int) -> int:
        """How many distinct blocks a step may add: n(n+1)/2 for n halves (pairs of input and operator)."""
        num_halves = (self.lookback_depth + step - 1) * self.num_operators
        return num_halves * (num_halves + 1) // 2

    def new_blocks(self, step: int) -> np.ndarray:
        """The distinct blocks that a step may add, smaller half first, in order: (count, 4) int16."""
        inputs = self.inputs(step)
        halves = np.stack(
            [
                np.repeat(inputs, self.num_operators),
                np.tile(np.arange(self.num_operators, dtype=np.int16), len(inputs)),
            ],
            axis=1,
        )
        first, second = np.triu_indices(len(halves))
        return np.concatenate([halves[first], halves[second]], axis=1)

    def encode(self, cells: Sequence[Cell], num_blocks: int | None = None) -> np.ndarray:
        """Cells as an array (N, b, 4) int16, b being the longest cell's length unless given.

        Raises:
            CellSyntaxError: an operator or lookback outside the space, or more blocks than `num_blocks`.
        """
        width = max((len(cell) for cell in cells), default=0) if num_blocks is None else num_blocks
        array = np.empty((len(cells), width, 4), dtype=np.int16)
        array[:] = NO_BLOCK
        for row, cell in enumerate(cells):
            if len(cell) > width:
                raise CellSyntaxError(
                    f"the cell {cell} has {len(cell)} blocks, but at most {width} are possible here"
                )
            for index, block in enumerate(cell.blocks):
                array[row, index] = self._encode_block(cell, block)
        return array

    def _encode_block(self, cell: Cell, block: Block) -> tuple[int, int, int, int]:
        for value in (block.in1, block.in2):
            if value < -self.lookback_depth:
                raise CellSyntaxError(
                    f"the cell {cell} reads the lookback {value}, but the lookback depth is "
                    f"{self.lookback_depth}: lookbacks go from -1 to -{self.lookback_depth}"
                )
        for name in (block.op1, block.op2):
            if name not in self._numbers:
                raise CellSyntaxError(
                    f"the cell {cell} uses the operator '{name}', which is not in the search space."
                    f"{nearest(name, self.operators)} Operators: {', '.join(self.operators)}"
                )
        return block.in1, self._numbers[block.op1], block.in2, self._numbers[block.op2]

    def decode(self, cells_NB4: np.ndarray) -> list[Cell]:
        """The inverse of `encode`."""
        names = self.operators
        return [
            Cell(tuple(Block(in1, names[op1], in2, names[op2]) for in1, op1, in2, op2 in blocks if op1 >= 0))
            for blocks in cells_NB4.tolist()
        ]

    def random_cells(self, num_cells: int, num_blocks: int, rng: np.random.Generator) -> np.ndarray:
        """Cells whose blocks are drawn evenly from those that their step allows: (N, num_blocks, 4) int16.

        They are not in canonical form and may repeat.
        """
        cells_NB4 = np.empty((num_cells, num_blocks, 4), dtype=np.int16)
        for index in range(num_blocks):
            blocks = self.new_blocks(index + 1)
            cells_NB4[:, index] = blocks[rng.integers(len(blocks), size=num_cells)]
        return cells_NB4
