"""Cells by what they have in common: their number of blocks, and all of them but the last.

Axes: N cells, P parents, B blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from popnas.cells import bulk


@dataclass(frozen=True)
class CellFamily:
    """`parents` (P, B, 4), of equal length; `new` (N, 4), their children's last blocks; `parent` (N,), whose
    they are."""

    parents: np.ndarray
    new: np.ndarray
    parent: np.ndarray


def families(
    cells_NB4: np.ndarray, hint: np.ndarray | None, most_parents: int
) -> Iterator[tuple[int, np.ndarray, CellFamily]]:
    """The number of blocks, rows of `cells_NB4`, their family of at most so many parents: every cell once.

    `hint` (N,): as `parents` in `Predictor.predict`. Empty cells come together, as children of no parent.
    """
    num_blocks_N = bulk.num_blocks(cells_NB4)
    for num_blocks in np.unique(num_blocks_N).tolist():
        rows = np.flatnonzero(num_blocks_N == num_blocks)
        cells = cells_NB4[rows, :num_blocks]
        if num_blocks == 0:
            yield 0, rows, CellFamily(cells, np.zeros((len(rows), 4)), np.zeros(len(rows), dtype=np.int64))
            continue
        first_P, parent_N = _parents(cells, None if hint is None else np.asarray(hint)[rows])
        # Children in order of their parent: a batch of parents has its children side by side.
        order = np.argsort(parent_N, kind="stable")
        bounds = np.searchsorted(parent_N[order], np.arange(0, len(first_P) + most_parents, most_parents))
        for batch, (start, stop) in enumerate(pairwise(bounds)):
            first = batch * most_parents
            members = order[start:stop]
            parents = cells[first_P[first : first + most_parents], :-1]
            family = CellFamily(parents, cells[members, -1], parent_N[members] - first)
            yield num_blocks, rows[members], family


def _parents(cells: np.ndarray, hint: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Position of one child per parent (P,), and the number of each child's parent (N,)."""
    prefixes = np.ascontiguousarray(cells[:, :-1]).reshape(len(cells), -1)
    if hint is not None:
        _, first_P, parent_N = np.unique(hint, return_index=True, return_inverse=True)
        assert np.array_equal(prefixes[first_P][parent_N], prefixes), "siblings share all blocks but the last"
    elif prefixes.shape[1] == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(len(cells), dtype=np.int64)
    else:
        words = prefixes.view(np.dtype((np.void, prefixes.dtype.itemsize * prefixes.shape[1]))).ravel()
        _, first_P, parent_N = np.unique(words, return_index=True, return_inverse=True)
    return first_P, parent_N
