"""How much of what its operators cost alone a larger cell costs, by how its blocks are wired.

A training's time goes mostly with the bytes that its forward pass keeps for the backward pass. These are
known without training anything (`networks.memory`), but slowly, so a few cells are reckoned and a line is
laid through them: operators that read blocks keep more or less than those that read lookbacks, as they stand
behind a reduction, and every further output keeps its share of the concatenation. Over 130 probed cells of
two and three blocks of three search spaces the logarithm of said over taken scattered by 0.16 so, by
0.20 to 0.27 as a sum over operators alone, where probes of one and the same cell scatter by 0.13 to 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popnas.cells import Block, Cell, SearchSpace, bulk
from popnas.networks.memory import training_memory
from popnas.networks.spec import NetworkSpec

_NUM_RECKONED = 12
"""Cells of several blocks that are reckoned."""
_LEAST, _MOST = 0.3, 3.0
"""Further than any cell from the sum of its operators: the line is not trusted beyond."""


@dataclass(frozen=True)
class Wiring:
    """`kept` (operators + 1,): bytes a sample that one use of an operator keeps in the cell of one block,
    the last for none; `factors` (3,): how much of that counts, how much more where it reads a block, and the
    bytes of each output but the first; `only_unused`: whether outputs are those blocks that no other reads.
    """

    kept: np.ndarray
    factors: np.ndarray
    only_unused: bool

    def shares(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N,): what each cell keeps against the sum over its operators alone; 1 for cells of one block."""
        features_N3 = self._features(cells_NB4)
        alone_N = features_N3[:, 0]
        shares_N = np.clip(features_N3 @ self.factors / np.maximum(alone_N, 1.0), _LEAST, _MOST)
        return np.where((bulk.num_blocks(cells_NB4) > 1) & (alone_N > 0), shares_N, 1.0)

    def _features(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N, 3), what the factors are for."""
        kept_NB2 = self.kept[cells_NB4[:, :, 1::2]]
        reads_block_NB2 = cells_NB4[:, :, 0::2] >= 0
        if self.only_unused:
            outputs_N = np.count_nonzero(bulk.unused_blocks(cells_NB4), axis=1)
        else:
            outputs_N = bulk.num_blocks(cells_NB4)
        of_blocks_N = (kept_NB2 * reads_block_NB2).sum(axis=(1, 2))
        return np.column_stack([kept_NB2.sum(axis=(1, 2)), of_blocks_N, np.maximum(outputs_N - 1, 0)])


def reckoned(space: SearchSpace, spec: NetworkSpec, built: np.ndarray) -> Wiring:
    """Reckon a few cells of the space; `built` (L + 1,): the share of the network that is built by nearest
    lookback."""
    empty = training_memory(Cell(), spec).saved_per_sample
    alone = [Cell((Block(-1, name, -1, name),)) for name in space.operators]
    kept = [max(training_memory(cell, spec).saved_per_sample - empty, 0) / 2 for cell in alone]
    wiring = Wiring(np.array([*kept, 0.0]), np.array([1.0, 0.0, 0.0]), spec.concat_only_unused_blocks)
    rng = np.random.default_rng(0)
    features, added = [], []
    for num_blocks in np.linspace(2, space.num_blocks, _NUM_RECKONED).astype(int):
        cell_1B4 = space.random_cells(1, num_blocks, rng)
        cell = space.decode(cell_1B4)[0]
        share = built[-bulk.nearest_lookback(cell_1B4)[0]]
        features.append(wiring._features(cell_1B4)[0])
        added.append((training_memory(cell, spec).saved_per_sample - empty) / share)
    # Relative to the cell, or the dearest ones alone would decide.
    size = np.maximum(added, 1.0)[:, None]
    factors, *_ = np.linalg.lstsq(np.array(features) / size, np.array(added) / size[:, 0], rcond=None)
    return Wiring(wiring.kept, factors, wiring.only_unused)
