"""What of a cell is used, for many cells at once. N cells, B blocks, L lookback depth."""

from __future__ import annotations

import numpy as np


def num_blocks(cells_NB4: np.ndarray) -> np.ndarray:
    """The number of blocks of each cell, (N,) int64."""
    return np.count_nonzero(cells_NB4[:, :, 1] >= 0, axis=1)


def used_lookbacks(cells_NB4: np.ndarray, lookback_depth: int) -> np.ndarray:
    """Which lookbacks each cell reads, (N, L) bool: column 0 is -1, column 1 is -2, and so on."""
    is_used = np.zeros((len(cells_NB4), lookback_depth), dtype=bool)
    for index in range(lookback_depth):
        for block in range(cells_NB4.shape[1]):
            for half in (0, 2):
                is_used[:, index] |= cells_NB4[:, block, half] == -1 - index
    return is_used


def nearest_lookback(cells_NB4: np.ndarray) -> np.ndarray:
    """The nearest lookback that each cell reads, (N,) int64: -1, -2, ...; 0 for the empty cell."""
    none = np.iinfo(np.int16).min
    nearest = np.full(len(cells_NB4), none, dtype=np.int16)
    for block in range(cells_NB4.shape[1]):
        for half in (0, 2):
            inputs = cells_NB4[:, block, half]
            np.maximum(nearest, np.where(inputs < 0, inputs, np.int16(none)), out=nearest)
    return np.where(nearest == none, 0, nearest).astype(np.int64)


def unused_blocks(cells_NB4: np.ndarray) -> np.ndarray:
    """Which blocks no other block reads, (N, B) bool; false for blocks that the cell lacks."""
    is_real = cells_NB4[:, :, 1] >= 0
    is_unused = is_real.copy()
    for index in range(cells_NB4.shape[1]):
        for later in range(index + 1, cells_NB4.shape[1]):
            is_read = (cells_NB4[:, later, 0] == index) | (cells_NB4[:, later, 2] == index)
            is_unused[:, index] &= ~(is_read & is_real[:, later])
    return is_unused


def depth(cells_NB4: np.ndarray) -> np.ndarray:
    """The number of blocks on the longest chain of each cell, (N,) int64; 0 for the empty cell."""
    num_cells, width, _ = cells_NB4.shape
    # One column more, in front: what lookbacks add to a chain, nothing.
    chains = np.zeros((num_cells, width + 1), dtype=np.int64)
    rows = np.arange(num_cells)
    for index in range(width):
        sources = np.maximum(cells_NB4[:, index, 0::2].astype(np.int64), -1) + 1
        longest = np.maximum(chains[rows, sources[:, 0]], chains[rows, sources[:, 1]])
        chains[:, index + 1] = np.where(cells_NB4[:, index, 1] >= 0, longest + 1, 0)
    return chains.max(axis=1)
