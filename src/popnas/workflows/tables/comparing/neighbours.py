"""The cells that are one change away from a cell.

Axes: N cells, B blocks, 4 = (first input, first operator, second input, second operator).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from popnas.cells import SearchSpace
from popnas.cells.space import NO_BLOCK

_Block = tuple[int, int, int, int]
_Blocks = list[_Block]


def neighbours(cell_B4: np.ndarray, space: SearchSpace) -> np.ndarray:
    """(N, B, 4), in no canonical form and with repetitions: cells with another operator or another input of
    one half, with one block more, or without one that no other block reads; never the empty cell."""
    blocks: _Blocks = [tuple(block) for block in cell_B4.tolist() if block[1] >= 0]
    found = [*_other_operator(blocks, space), *_other_input(blocks, space), *_without_one(blocks)]
    if len(blocks) < space.num_blocks:
        found += [[*blocks, tuple(new)] for new in space.new_blocks(len(blocks) + 1).tolist()]
    cells_NB4 = np.empty((len(found), space.num_blocks, 4), dtype=np.int16)
    cells_NB4[:] = NO_BLOCK
    for row, changed in enumerate(found):
        cells_NB4[row, : len(changed)] = changed
    return cells_NB4


def _with(blocks: _Blocks, index: int, place: int, value: int) -> _Blocks:
    changed = list(blocks[index])
    changed[place] = value
    return [*blocks[:index], (changed[0], changed[1], changed[2], changed[3]), *blocks[index + 1 :]]


def _other_operator(blocks: _Blocks, space: SearchSpace) -> Iterator[_Blocks]:
    for index, block in enumerate(blocks):
        for place in (1, 3):
            for operator in range(space.num_operators):
                if operator != block[place]:
                    yield _with(blocks, index, place, operator)


def _other_input(blocks: _Blocks, space: SearchSpace) -> Iterator[_Blocks]:
    """A block may read any that does not come after it by what it reads, wherever that is written."""
    for index, block in enumerate(blocks):
        fed = _fed_by(blocks, index)
        inputs = [place for place in range(-space.lookback_depth, len(blocks)) if place not in fed]
        for half in (0, 2):
            for place in inputs:
                if place != block[half]:
                    yield _in_order(_with(blocks, index, half, place))


def _fed_by(blocks: _Blocks, index: int) -> set[int]:
    """The block itself and all that read it, directly or not."""
    fed = {index}
    for later in range(index + 1, len(blocks)):
        if {blocks[later][0], blocks[later][2]} & fed:
            fed.add(later)
    return fed


def _in_order(blocks: _Blocks) -> _Blocks:
    """The same blocks, each after those that it reads."""
    order: list[int] = []
    while len(order) < len(blocks):
        order.append(
            next(
                index
                for index, block in enumerate(blocks)
                if index not in order and all(place < 0 or place in order for place in (block[0], block[2]))
            )
        )
    number = {index: place for place, index in enumerate(order)}
    return [_renumbered(blocks[index], number) for index in order]


def _renumbered(block: _Block, number: dict[int, int]) -> _Block:
    return number.get(block[0], block[0]), block[1], number.get(block[2], block[2]), block[3]


def _without_one(blocks: _Blocks) -> Iterator[_Blocks]:
    read = {place for block in blocks for place in (block[0], block[2])}
    for index in range(len(blocks)) if len(blocks) > 1 else ():
        if index not in read:
            number = {later: later - 1 for later in range(index + 1, len(blocks))}
            yield [_renumbered(block, number) for block in (*blocks[:index], *blocks[index + 1 :])]
