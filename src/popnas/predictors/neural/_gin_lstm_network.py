"""A graph encoder with an LSTM behind it: the graph says what a block gets, the sequence what comes of all.

Axes: M models, N cells, V nodes, B blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from popnas.cells import SearchSpace
from popnas.predictors.neural._gin_network import Graphs, NodeTypes, graph_layers, graphs
from popnas.predictors.neural._networks import DenseLayers, Networks
from popnas.predictors.neural._sequence_networks import (
    LSTM_UNITS,
    READOUT_WIDTH,
    lstm,
    lstm_shape,
)

_WIDTHS = (30, 60)


@dataclass(frozen=True)
class GraphSequences:
    """Graphs, and which blocks there are, (N, B): 1 or 0."""

    graphs: Graphs
    is_block: torch.Tensor

    def __getitem__(self, rows: torch.Tensor) -> GraphSequences:
        return GraphSequences(self.graphs[rows], self.is_block[rows])


class GinLstmNetworks(Networks[GraphSequences]):
    """Two graph layers, then a long short-term memory over the joins of the blocks."""

    def __init__(self, space: SearchSpace, num_models: int, seed: int) -> None:
        self.types = NodeTypes(space.lookback_depth, space.num_operators)
        shapes = [
            *pairwise((self.types.count, *_WIDTHS)),
            lstm_shape(_WIDTHS[-1]),
            (LSTM_UNITS, READOUT_WIDTH),
            (READOUT_WIDTH, 1),
        ]
        self.layers = DenseLayers.of(shapes, num_models, seed)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """See `Networks`."""
        return self.layers.tensors

    def rows(self, cells_NB4: np.ndarray) -> GraphSequences:
        """See `Networks`."""
        is_block_NB = torch.from_numpy((cells_NB4[:, :, 1] >= 0).astype(np.float32))
        return GraphSequences(graphs(cells_NB4, self.types), is_block_NB)

    def forward(self, rows: GraphSequences) -> torch.Tensor:
        """See `Networks`."""
        nodes_MNVX = graph_layers(self.layers, rows.graphs, len(_WIDTHS))
        first = self.types.num_lookbacks + 2  # of a block's three nodes the join is the last
        joins_MNBX = nodes_MNVX[:, :, first:-1:3]
        state = lstm(self.layers, len(_WIDTHS), joins_MNBX, rows.is_block)
        return self.layers.readout(state)
