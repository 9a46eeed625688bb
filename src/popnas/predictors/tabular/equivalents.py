"""Other forms of the same cells: blocks renumbered, halves exchanged."""

from __future__ import annotations

import numpy as np


def equivalents(cells_NB4: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An equivalent form of each cell, drawn at random: (N, B, 4), blocks that lack at the end as ever."""
    found_NB4 = cells_NB4.copy()
    for row, cell in enumerate(cells_NB4.tolist()):
        blocks = [block for block in cell if block[1] >= 0]
        order = _order(blocks, rng)
        number = {block: place for place, block in enumerate(order)}
        for place, block in enumerate(order):
            in1, op1, in2, op2 = blocks[block]
            halves = [[number.get(in1, in1), op1], [number.get(in2, in2), op2]]
            first = int(rng.integers(2))
            found_NB4[row, place] = [*halves[first], *halves[1 - first]]
    return found_NB4


def _order(blocks: list[list[int]], rng: np.random.Generator) -> list[int]:
    """Blocks in an order in which each comes after those that it reads."""
    left, order = list(range(len(blocks))), list[int]()
    while left:
        ready = [block for block in left if all(i < 0 or i in order for i in blocks[block][0::2])]
        order.append(ready[int(rng.integers(len(ready)))])
        left.remove(order[-1])
    return order
