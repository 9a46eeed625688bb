"""The order of canonical forms in bulk, and the first of each kind.

N cells, B blocks. Cells are packed, block by block, into as few 64-bit numbers as hold them; mostly that is
one.
"""

from __future__ import annotations

import numpy as np

from popnas.cells.bulk.block_keys import KeyScale
from popnas.cells.bulk.structure import num_blocks

_WORD = 1 << 63


def order(cells_NB4: np.ndarray) -> np.ndarray:
    """The positions (N,) that sort canonical cells: fewer blocks first, then block by block; stable."""
    words = _words(cells_NB4)
    return np.lexsort(words[::-1]) if len(words) > 1 else np.argsort(words[0], kind="stable")


def unique(cells_NB4: np.ndarray) -> np.ndarray:
    """The positions of the first occurrences of canonical cells, ascending."""
    words = _words(cells_NB4)
    positions = np.lexsort(words[::-1]) if len(words) > 1 else np.argsort(words[0])
    is_new = np.zeros(len(positions), dtype=bool)
    is_new[:1] = True
    for word in words:
        is_new[1:] |= np.diff(word[positions]) != 0
    starts = np.flatnonzero(is_new)
    if len(starts) == 0:
        return positions
    return np.sort(np.minimum.reduceat(positions, starts))


def are_among(cells_NB4: np.ndarray, others_MB4: np.ndarray) -> np.ndarray:
    """Which of the cells (N,) are among others of as many places; both canonical."""
    return np.isin(as_bytes(cells_NB4), as_bytes(others_MB4))


def as_bytes(cells_NB4: np.ndarray) -> np.ndarray:
    """(N,) bytes of each cell, which can be compared and sorted; their order means nothing."""
    flat = np.ascontiguousarray(cells_NB4, dtype=np.int16).reshape(len(cells_NB4), -1)
    return flat.view(f"S{flat.shape[1] * 2}")[:, 0]


def _words(cells_NB4: np.ndarray) -> list[np.ndarray]:
    """Numbers (N,) int64, the most significant first, that order cells like their canonical forms."""
    words, room = [num_blocks(cells_NB4).astype(np.int64)], _WORD // (cells_NB4.shape[1] + 1)
    for index in range(cells_NB4.shape[1]):
        # The block at this place reads earlier ones only, so its numbers are small: more of them fit into a
        # word.
        scale = KeyScale.of(cells_NB4[:, index : index + 1])
        block_scale = KeyScale(scale.lookback_depth, scale.num_operators, max(index, 1))
        keys, num_keys = block_scale.keys(cells_NB4[:, index]), block_scale.no_block + 1
        if num_keys <= room:
            words[-1] = words[-1] * num_keys + keys
            room //= num_keys
        else:
            words.append(keys)
            room = _WORD // num_keys
    return words
