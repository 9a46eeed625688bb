"""The canonical form of many cells at once: the greedy search of `popnas.cells.canonical`, in step for all.

N cells, B blocks, S states (partial numberings: one per cell, more while twins leave a choice).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from popnas.cells.bulk.block_keys import KeyScale
from popnas.cells.canonical import canonical_blocks

# Bounds the memory of a call, whatever the number of cells.
_CHUNK = 1 << 15
# A cell whose twins leave more open choices than this goes through the single search, which recognises
# symmetry better.
_MAX_STATES_PER_CELL = 128


def canonicalize(cells_NB4: np.ndarray) -> np.ndarray:
    """The canonical forms of cells, (N, B, 4) to (N, B, 4) int16: exact, equal to `Cell.canonical`."""
    canonical_NB4 = np.empty(cells_NB4.shape, dtype=np.int16)
    for start in range(0, len(cells_NB4), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        canonical_NB4[chunk] = _canonicalize(cells_NB4[chunk])
    return canonical_NB4


def _canonicalize(cells_NB4: np.ndarray) -> np.ndarray:
    search = _BulkNumbering(cells_NB4)
    for number in range(cells_NB4.shape[1]):
        search.advance(number)
    canonical_NB4 = search.result()
    for row in search.left_to_single_search:
        blocks = [tuple(block) for block in cells_NB4[row].tolist() if block[1] >= 0]
        canonical_NB4[row, : len(blocks)] = np.array(canonical_blocks(blocks), dtype=np.int16)
        canonical_NB4[row, len(blocks) :] = (0, -1, 0, -1)
    return canonical_NB4


class _BulkNumbering:
    """The numberings under way; states of one cell are neighbours, with the same smallest list so far."""

    def __init__(self, cells_NB4: np.ndarray) -> None:
        num_cells, num_blocks, _ = cells_NB4.shape
        self.scale = scale = KeyScale.of(cells_NB4)
        # Positions in a table of values: lookbacks first, which have theirs from the start, then the blocks.
        self.source1 = cells_NB4[:, :, 0].astype(np.intp) + scale.lookback_depth
        self.source2 = cells_NB4[:, :, 2].astype(np.intp) + scale.lookback_depth
        self.operator1 = cells_NB4[:, :, 1].astype(np.int64)
        self.operator2 = cells_NB4[:, :, 3].astype(np.int64)
        self.is_missing = cells_NB4[:, :, 1] < 0
        self.unready = scale.num_halves * 2
        self.never = self.unready * scale.num_halves
        self.cell = np.arange(num_cells)
        self.is_one_state_per_cell = True
        # Halves' inputs times the number of operators, for adding the operator's number.
        self.values = np.full((num_cells, scale.lookback_depth + num_blocks), self.unready, dtype=np.int64)
        self.values[:, : scale.lookback_depth] = np.arange(scale.lookback_depth) * scale.num_operators
        self.is_done = np.zeros((num_cells, num_blocks), dtype=bool)
        self.keys = np.empty((num_cells, num_blocks), dtype=np.int64)
        self.left_to_single_search: list[int] = []

    def advance(self, number: int) -> None:
        """Give the next number to the smallest ready block of every state; where twins tie, branch."""
        keys = self._ready_keys()
        smallest = keys.min(axis=1)
        if len(self.cell) > self.source1.shape[0] - len(self.left_to_single_search):
            keys, smallest = self._drop_larger(keys, smallest)
        is_choice = keys == smallest[:, None]
        if np.count_nonzero(is_choice) > len(self.cell):
            is_choice = self._without_exchangeable(is_choice)
        state, block = np.nonzero(is_choice)
        if len(state) > len(self.cell):
            state, block = self._without_exploding(state, block)
            self._keep(state)
            smallest = smallest[state]
        rows = np.arange(len(self.cell))
        self.keys[:, number] = smallest
        self.is_done[rows, block] = True
        depth = self.scale.lookback_depth
        self.values[rows, depth + block] = (depth + number) * self.scale.num_operators

    def result(self) -> np.ndarray:
        """The canonical cells; rows left to the single search are undefined."""
        keys = np.full(self.source1.shape, self.scale.no_block)
        keys[self.cell] = self.keys  # the states left of one cell all have the same keys
        return self.scale.blocks(keys)

    def _ready_keys(self) -> np.ndarray:
        # Indexing by state copies, so it is done only where states and cells are not the same.
        rows = slice(None) if self.is_one_state_per_cell else self.cell
        half1 = np.take_along_axis(self.values, self.source1[rows], axis=1) + self.operator1[rows]
        half2 = np.take_along_axis(self.values, self.source2[rows], axis=1) + self.operator2[rows]
        keys = self.scale.key(half1, half2)
        keys[(half1 >= self.unready) | (half2 >= self.unready) | self.is_done] = self.never
        keys[self.is_missing[rows] & ~self.is_done] = self.scale.no_block
        return keys

    def _drop_larger(self, keys: np.ndarray, smallest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drop the states whose next block is larger than that of another state of the same cell."""
        starts = np.flatnonzero(np.diff(self.cell, prepend=-1))
        best = np.repeat(np.minimum.reduceat(smallest, starts), np.diff(starts, append=len(self.cell)))
        state = np.flatnonzero(smallest == best)
        self._keep(state)
        return keys[state], smallest[state]

    def _without_exchangeable(self, is_choice: np.ndarray) -> np.ndarray:
        """Of twins that no block reads, which are images of each other, only the first is a choice."""
        is_free = is_choice & ~self._is_read[self.cell]
        return is_choice & ~(is_free & (np.cumsum(is_free, axis=1) > 1))

    @cached_property
    def _is_read(self) -> np.ndarray:
        depth = self.scale.lookback_depth
        is_read = np.zeros((len(self.source1), self.source1.shape[1] + depth), dtype=bool)
        for source in (self.source1, self.source2):
            for block in range(source.shape[1]):
                rows = np.flatnonzero(~self.is_missing[:, block])
                is_read[rows, source[rows, block]] = True
        return is_read[:, depth:]

    def _without_exploding(self, state: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cells = self.cell[state]
        counts = np.bincount(cells)
        exploding = np.flatnonzero(counts > _MAX_STATES_PER_CELL)
        self.left_to_single_search += exploding.tolist()
        is_kept = ~np.isin(cells, exploding)
        return state[is_kept], block[is_kept]

    def _keep(self, state: np.ndarray) -> None:
        self.is_one_state_per_cell = False
        self.cell = self.cell[state]
        self.values = self.values[state]
        self.is_done = self.is_done[state]
        self.keys = self.keys[state]
