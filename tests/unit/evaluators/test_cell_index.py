"""Cells are found in a table however they are written, in spaces of fewer operators and blocks, too."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.cells import Block, Cell, SearchSpace
from popnas.evaluators._cell_index import ABSENT, CellIndex

sys.path.insert(0, str(Path(__file__).parent))
from made_tables import OPERATORS, made, rows_of

TABLE = made()
KEYS = [cell.key for cell in TABLE.space.decode(TABLE.cells)]


@pytest.mark.parametrize("operators", [OPERATORS, OPERATORS[1:], (*OPERATORS, "9x9 conv", "0 none")])
@pytest.mark.parametrize("num_blocks", [1, 2, 3])
def test_every_cell_of_a_space_is_found_where_it_stands(operators: tuple[str, ...], num_blocks: int) -> None:
    space = SearchSpace(operators, num_blocks, 2)
    index = CellIndex(TABLE.cells, TABLE.space.operators, space)
    cells_NB4 = space.random_cells(300, num_blocks, np.random.default_rng(num_blocks))
    wanted = [cell.key for cell in space.decode(cells_NB4)]
    found = index.rows(cells_NB4)
    assert (found >= 0).any() or num_blocks == 3
    for row, key in zip(found.tolist(), wanted, strict=True):
        assert (KEYS[row] if row != ABSENT else key not in KEYS) in (key, True)


@given(st.data())
def test_the_form_does_not_matter(data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(TABLE.cells) - 1))
    (cell,) = TABLE.space.decode(TABLE.cells[row : row + 1])
    flipped = [
        Block(block.in2, block.op2, block.in1, block.op1) if data.draw(st.booleans()) else block
        for block in cell.blocks
    ]
    index = CellIndex(TABLE.cells, TABLE.space.operators, TABLE.space)
    assert index.rows(TABLE.space.encode([Cell(tuple(flipped))], 2)).tolist() == [row]


def test_what_is_not_there_is_not_found() -> None:
    kept = np.arange(0, len(TABLE.cells), 2)
    index = CellIndex(TABLE.cells[kept], TABLE.space.operators, TABLE.space)
    found = index.rows(TABLE.cells)
    assert found[kept].tolist() == list(range(len(kept)))
    assert (np.delete(found, kept) == ABSENT).all()
    assert len(rows_of(TABLE, kept).cells) == len(kept)
