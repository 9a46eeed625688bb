"""What of a cell is used, for many cells at once. N cells, B blocks, L lookback depth."""

from __future__ import annotations

import numpy as np


def num_blocks(cells_NB4: np.ndarray) -> np.ndarray:
    """The number of blocks of each cell, (N,) int64."""
    return np.count_nonzero(cells_NB4[:, :, 1] >= 0, axis=1)


def used_lookbacks(cells_NB4: np.ndarray, lookback_depth: int) -> np.ndarray:
    """Which lookbacks each cell reads, (N, L) bool: column 0 is -1, column 1 is -2, and so on."""
    inputs = cells_NB4[:, :, 0::2]
    lookbacks = -1 - np.arange(lookback_depth)
    return np.stack([(inputs == lookback).any(axis=(1, 2)) for lookback in lookbacks], axis=1)


def nearest_lookback(cells_NB4: np.ndarray) -> np.ndarray:
    """The nearest lookback that each cell reads, (N,) int64: -1, -2, ...; 0 for the empty cell."""
    inputs = cells_NB4[:, :, 0::2].astype(np.int64)
    none = np.iinfo(np.int64).min
    nearest = np.where(inputs < 0, inputs, none).max(axis=(1, 2), initial=none)
    return np.where(nearest == none, 0, nearest)


def unused_blocks(cells_NB4: np.ndarray) -> np.ndarray:
    """Which blocks no other block reads, (N, B) bool; false for blocks that the cell lacks."""
    is_real = cells_NB4[:, :, 1] >= 0
    is_unused = is_real.copy()
    for index in range(cells_NB4.shape[1]):
        is_reading = (cells_NB4[:, :, 0::2] == index).any(axis=2) & is_real
        is_unused[:, index] &= ~is_reading.any(axis=1)
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
