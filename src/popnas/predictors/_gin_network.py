"""The graph networks of the ensemble: node types, weights, and the forward pass that training uses.

A layer is h' = relu(W (h + sum of the predecessors' h) + b): the graph isomorphism network (Xu et al.,
2019, equation 4.1) with epsilon 0 and a perceptron of one layer. A perceptron of two layers ranked no
better in trials and took twice the time.

Axes: N cells, V nodes, T node types, M models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch

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


@dataclass(frozen=True)
class NetworkWeights:
    """M models' weights, stacked: per dense layer a kernel (M, inputs, outputs), a bias (M, 1, outputs).

    Three graph layers, the dense layer, the output.
    """

    kernels: list[torch.Tensor]
    biases: list[torch.Tensor]

    @classmethod
    def random(cls, types: NodeTypes, num_models: int, seed: int) -> NetworkWeights:
        """He's uniform initialisation; the output starts small: first predictions lie near the middle."""
        generator = torch.Generator().manual_seed(seed)
        widths = (types.count, *WIDTHS, READOUT_WIDTH, 1)
        kernels, biases = [], []
        for layer, (width_in, width_out) in enumerate(pairwise(widths)):
            bound = math.sqrt(6 / width_in) * (0.3 if layer == len(widths) - 2 else 1.0)
            kernel = (torch.rand(num_models, width_in, width_out, generator=generator) * 2 - 1) * bound
            kernels.append(kernel)
            biases.append(torch.zeros(num_models, 1, width_out))
        return cls(kernels, biases)

    @property
    def num_models(self) -> int:
        """M."""
        return self.kernels[0].shape[0]

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All of them."""
        return [*self.kernels, *self.biases]

    def detached(self) -> NetworkWeights:
        """The same values without gradients."""
        return NetworkWeights([k.detach() for k in self.kernels], [b.detach() for b in self.biases])


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


def forward(weights: NetworkWeights, graphs: Graphs) -> torch.Tensor:
    """The outputs of all models before the sigmoid: (M, N)."""
    num_models = weights.num_models
    num_cells, num_nodes, _ = graphs.first_layer.shape
    hidden = graphs.first_layer.reshape(1, num_cells * num_nodes, -1).expand(num_models, -1, -1)
    for layer in range(len(WIDTHS)):
        if layer > 0:
            per_cell = hidden.view(num_models, num_cells, num_nodes, -1)
            hidden = (graphs.aggregation @ per_cell).flatten(1, 2)
        hidden = _dense(weights, layer, hidden).relu()
    means = (graphs.node_share[:, None] @ hidden.view(num_models, num_cells, num_nodes, -1)).squeeze(2)
    return _dense(weights, 4, _dense(weights, 3, means).relu()).squeeze(2)


def _dense(weights: NetworkWeights, layer: int, inputs: torch.Tensor) -> torch.Tensor:
    return torch.baddbmm(weights.biases[layer], inputs, weights.kernels[layer])
