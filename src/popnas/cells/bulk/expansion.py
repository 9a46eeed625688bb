"""Growing cells by every new block, equivalents removed.

P parents of B blocks, M new blocks, N = P x M expansions of B+1 blocks.

An expansion's canonical form is nearly always known from its parent's: no block reads the new one, so the
greedy numbering of `popnas.cells.canonical` goes as for the parent until the new block is the smallest, and
goes on as for the parent with numbers moved up by one (which keeps the order of blocks). Only twins break
this, and those expansions take the general way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popnas.cells.bulk.block_keys import KeyScale
from popnas.cells.bulk.numbering import canonicalize
from popnas.cells.bulk.ordering import unique
from popnas.cells.space import SearchSpace


@dataclass(frozen=True)
class Expansion:
    """The distinct cells grown from some parents, in order of parent and new block.

    Attributes:
        cells: (N, B+1, 4) int16, the parent's blocks in canonical order followed by the new block.
        canonical: (N, B+1, 4) int16, their canonical forms.
        parent: (N,) position of the parent that each was grown from (of several, the first).
        num_expansions: how many there were before equivalents were removed.
    """

    cells: np.ndarray
    canonical: np.ndarray
    parent: np.ndarray
    num_expansions: int

    def only(self, is_kept: np.ndarray) -> Expansion:
        """Those that a mask (N,) keeps."""
        if is_kept.all():
            return self
        return Expansion(
            self.cells[is_kept], self.canonical[is_kept], self.parent[is_kept], self.num_expansions
        )

    def __len__(self) -> int:
        return len(self.cells)


def expand(parents_PB4: np.ndarray, space: SearchSpace) -> Expansion:
    """Grow parents, all of B blocks, by every new block of step B+1, and drop equivalents."""
    num_parents, num_parent_blocks, _ = parents_PB4.shape
    parents_PB4 = canonicalize(parents_PB4)
    assert (parents_PB4[:, :, 1] >= 0).all(), "all parents of a step have the same number of blocks"
    new_blocks_M4 = space.new_blocks(num_parent_blocks + 1)
    scale = KeyScale(space.lookback_depth, space.num_operators, num_parent_blocks + 1)
    place_PM, has_twins_PM = _places(scale.keys(parents_PB4), scale.keys(new_blocks_M4), new_blocks_M4)
    canonical = _inserted(parents_PB4, new_blocks_M4, place_PM).reshape(-1, num_parent_blocks + 1, 4)
    special = np.flatnonzero(has_twins_PM)
    num_new = len(new_blocks_M4)
    canonical[special] = canonicalize(
        _appended(parents_PB4, new_blocks_M4, special // num_new, special % num_new)
    )
    kept = unique(canonical)
    parent, new = kept // num_new, kept % num_new
    return Expansion(
        _appended(parents_PB4, new_blocks_M4, parent, new), canonical[kept], parent, num_parents * num_new
    )


def _places(
    parent_keys_PB: np.ndarray, new_keys_M: np.ndarray, new_blocks_M4: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each new block comes to stand in each parent, and whether there are twins: two arrays (P, M)."""
    num_parents, num_parent_blocks = parent_keys_PB.shape
    ready_M = np.maximum(new_blocks_M4[:, 0::2].max(axis=1) + 1, 0)
    place_PM = np.full((num_parents, len(new_keys_M)), num_parent_blocks, dtype=np.int8)
    has_twins_PM = np.zeros(place_PM.shape, dtype=bool)
    for index in reversed(range(num_parent_blocks)):
        keys_P1 = parent_keys_PB[:, index, None]
        place_PM[(new_keys_M < keys_P1) & (index >= ready_M)] = index
        has_twins_PM |= new_keys_M == keys_P1
    ordered = np.sort(parent_keys_PB, axis=1)
    has_twins_PM |= (np.diff(ordered, axis=1) == 0).any(axis=1)[:, None]
    return place_PM, has_twins_PM


def _inserted(parents_PB4: np.ndarray, new_blocks_M4: np.ndarray, place_PM: np.ndarray) -> np.ndarray:
    """Parents with the new block put in at its place and the later blocks renumbered: (P, M, B+1, 4)."""
    num_parents, num_parent_blocks, _ = parents_PB4.shape
    opened = np.zeros((num_parents, num_parent_blocks + 1, num_parent_blocks + 1, 4), dtype=np.int16)
    for place in range(num_parent_blocks + 1):
        opened[:, place, :place] = parents_PB4[:, :place]
        moved = parents_PB4[:, place:].copy()
        moved[:, :, 0::2] += moved[:, :, 0::2] >= place
        opened[:, place, place + 1 :] = moved
    cells = opened[np.arange(num_parents)[:, None], place_PM]
    np.put_along_axis(
        cells, place_PM[:, :, None, None].astype(np.intp), new_blocks_M4[None, :, None, :], axis=2
    )
    return cells


def _appended(
    parents_PB4: np.ndarray, new_blocks_M4: np.ndarray, parent: np.ndarray, new: np.ndarray
) -> np.ndarray:
    return np.concatenate([parents_PB4[parent], new_blocks_M4[new][:, None]], axis=1)
