"""Graph networks: node types, weights, and the forward pass that training uses.

A layer of GIN is h' = relu(W (h + sum of the predecessors' h) + b): the graph isomorphism network (Xu et al.,
2019, equation 4.1) with epsilon 0 and a perceptron of one layer. A perceptron of two layers ranked no
better in trials and took twice the time.

Axes: N cells, V nodes, T node types, M models.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from popnas.predictors.neural._graphs import node_types, predecessors
from popnas.predictors.neural._networks import DenseLayers, Networks

WIDTHS = (30, 60, 120)
READOUT_WIDTH = 100


@dataclass(frozen=True)
class NodeTypes:
    """Numbers of the node types: lookbacks (0 is -1), operators, a block's join, the concatenation."""

    num_lookbacks: int
    num_operators: int

    @property
    def first_operator(self) -> int:
        """Type of operator 0."""
        return self.num_lookbacks

    @property
    def join(self) -> int:
        """Type of a block's join."""
        return self.num_lookbacks + self.num_operators

    @property
    def concat(self) -> int:
        """Type of the output concatenation."""
        return self.join + 1

    @property
    def count(self) -> int:
        """T."""
        return self.join + 2


class NetworkWeights(DenseLayers):
    """Three graph layers, the dense layer, the output."""

    @classmethod
    def random(cls, types: NodeTypes, num_models: int, seed: int) -> NetworkWeights:
        """Before training."""
        return cls.of([*pairwise((types.count, *WIDTHS, READOUT_WIDTH, 1))], num_models, seed)


@dataclass(frozen=True)
class Graphs:
    """Cells as padded graphs.

    `aggregation[n, v, u]` is how often node v takes from node u, itself once; `first_layer` is that times
    the one-hot types; `node_share` is 1 / (number of nodes) for real nodes and 0 for padding.
    """

    aggregation: torch.Tensor
    first_layer: torch.Tensor
    node_share: torch.Tensor

    def __getitem__(self, rows: torch.Tensor) -> Graphs:
        return Graphs(self.aggregation[rows], self.first_layer[rows], self.node_share[rows])


def graphs(cells_NB4: np.ndarray, types: NodeTypes) -> Graphs:
    """Cells as the padded graphs of the training pass."""
    types_NV = node_types(cells_NB4, types.num_lookbacks, types.num_operators)
    is_node_NV = types_NV >= 0
    aggregation = predecessors(cells_NB4, types.num_lookbacks)
    aggregation += np.eye(types_NV.shape[1], dtype=np.float32) * is_node_NV[:, :, None]
    node_share = is_node_NV / np.maximum(is_node_NV.sum(axis=1, keepdims=True), 1)
    return Graphs(
        torch.from_numpy(aggregation),
        torch.from_numpy(aggregation) @ one_hot(cells_NB4, types),
        torch.from_numpy(node_share.astype(np.float32)),
    )


def one_hot(cells_NB4: np.ndarray, types: NodeTypes) -> torch.Tensor:
    """(N, V, T): 1 for each node's type; 0 of padding."""
    types_NV = node_types(cells_NB4, types.num_lookbacks, types.num_operators)
    return torch.from_numpy((types_NV[:, :, None] == np.arange(types.count)).astype(np.float32))


def graph_layers(layers: DenseLayers, graphs: Graphs, number: int) -> torch.Tensor:
    """The nodes' activations behind the first `number` layers: (M, N, V, width)."""
    num_models = layers.num_models
    num_cells, num_nodes, _ = graphs.first_layer.shape
    hidden = graphs.first_layer.reshape(1, num_cells * num_nodes, -1).expand(num_models, -1, -1)
    for layer in range(number):
        if layer > 0:
            per_cell = hidden.view(num_models, num_cells, num_nodes, -1)
            hidden = (graphs.aggregation @ per_cell).flatten(1, 2)
        hidden = layers.dense(layer, hidden).relu()
    return hidden.view(num_models, num_cells, num_nodes, -1)


def forward(weights: NetworkWeights, graphs: Graphs) -> torch.Tensor:
    """The outputs of all models before the sigmoid: (M, N)."""
    nodes_MNVX = graph_layers(weights, graphs, len(WIDTHS))
    means = (graphs.node_share[:, None] @ nodes_MNVX).squeeze(2)
    return weights.readout(means)


class GinNetworks(Networks[Graphs]):
    """Graph isomorphism networks."""

    def __init__(self, types: NodeTypes, num_models: int, seed: int) -> None:
        self.types, self.weights = types, NetworkWeights.random(types, num_models, seed)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """See `Networks`."""
        return self.weights.tensors

    def rows(self, cells_NB4: np.ndarray) -> Graphs:
        """See `Networks`."""
        return graphs(cells_NB4, self.types)

    def forward(self, rows: Graphs) -> torch.Tensor:
        """See `Networks`."""
        return forward(self.weights, rows)


class GcnNetworks(GinNetworks):
    """Graph convolutional networks (Kipf and Welling, 2017, equation 2): a node takes from its predecessors,
    its successors and itself, each by one over the root of both nodes' numbers of such."""

    def rows(self, cells_NB4: np.ndarray) -> Graphs:
        """See `Networks`."""
        found = super().rows(cells_NB4)
        linked_NVV = torch.maximum(found.aggregation, found.aggregation.transpose(1, 2))
        share_NV = linked_NVV.sum(dim=2).clamp(min=1).rsqrt()
        aggregation = linked_NVV * share_NV[:, :, None] * share_NV[:, None]
        return Graphs(aggregation, aggregation @ one_hot(cells_NB4, self.types), found.node_share)
