"""Which cells of one block are trained, where not all of them are.

N cells of one block, H halves (pairs of input and operator).
"""

from __future__ import annotations

import numpy as np

from popnas.cells import SearchSpace
from popnas.seeds import derive_seed


def designed(
    blocks_N4: np.ndarray, is_needed_N: np.ndarray, repeats: int, space: SearchSpace, seed: int
) -> np.ndarray:
    """The positions, ascending, of the needed cells and of few more: every half stands in so many of them, or
    in all that there are. One after the other is taken that has most halves which lack cells; among equals
    chance decides, by `seed`, so that no half meets the same others only.
    """
    halves_N2 = _halves(blocks_N4, space)
    num_halves = space.lookback_depth * space.num_operators
    is_twin_N = halves_N2[:, 0] == halves_N2[:, 1]

    def counts(rows: np.ndarray) -> np.ndarray:
        second = halves_N2[rows, 1][~is_twin_N[rows]]
        return np.bincount(np.concatenate([halves_N2[rows, 0], second]), minlength=num_halves)

    lacking_H = np.minimum(repeats, counts(np.arange(len(blocks_N4)))) - counts(np.flatnonzero(is_needed_N))
    is_taken_N = is_needed_N.copy()
    chance_N = np.random.default_rng(derive_seed(seed, "first step")).permutation(len(blocks_N4))
    while (lacking_H > 0).any():
        needs_N2 = np.maximum(lacking_H, 0)[halves_N2]
        needs_N2[is_twin_N, 1] = 0
        most_needed = np.lexsort([chance_N, -needs_N2.sum(axis=1), -(needs_N2 > 0).sum(axis=1), is_taken_N])
        is_taken_N[most_needed[0]] = True
        lacking_H -= counts(most_needed[:1])
    return np.flatnonzero(is_taken_N)


def _halves(blocks_N4: np.ndarray, space: SearchSpace) -> np.ndarray:
    """(N, 2) numbers of the two halves."""
    return (blocks_N4[:, 0::2] + space.lookback_depth) * space.num_operators + blocks_N4[:, 1::2]
