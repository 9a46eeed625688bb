"""Where cells stand in a table, for arrays of them.

Axes: N cells, B blocks, 4 = (first input, first operator, second input, second operator).
"""

from __future__ import annotations

import numpy as np

from popnas.cells import SearchSpace, bulk
from popnas.cells.space import NO_BLOCK

ABSENT = -1


class CellIndex:
    """Rows of a table by cells of `space`, whose operators and blocks may be fewer than the table's.

    `cells_NB4`: the table's cells, canonical, whose operators are numbered as in `operators`. Canonical forms
    depend on the order of operators only, and both orders are that of names.
    """

    def __init__(self, cells_NB4: np.ndarray, operators: tuple[str, ...], space: SearchSpace) -> None:
        self._width = cells_NB4.shape[1]
        known = {name: number for number, name in enumerate(operators)}
        # The last one is that of a missing block, which is found by -1.
        self._numbers = np.array([*(known.get(name, ABSENT - 1) for name in space.operators), ABSENT])
        keys = bulk.as_bytes(cells_NB4)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    def rows(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N,) int64: the row of each cell, in whatever form it is written; `ABSENT` where there is none."""
        num_cells, num_blocks, _ = cells_NB4.shape
        if num_cells == 0:
            return np.zeros(0, dtype=np.int64)
        canonical = bulk.canonicalize(cells_NB4) if num_blocks else cells_NB4
        wide = np.empty((num_cells, max(self._width, num_blocks), 4), dtype=np.int16)
        wide[:] = NO_BLOCK
        wide[:, :num_blocks, 0::2] = canonical[:, :, 0::2]
        wide[:, :num_blocks, 1::2] = self._numbers[canonical[:, :, 1::2]]
        keys = bulk.as_bytes(wide[:, : self._width])
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        is_found = (self._keys[place] == keys) & (wide[:, self._width :, 1] == ABSENT).all(axis=1)
        return np.where(is_found, self._order[place], ABSENT)
