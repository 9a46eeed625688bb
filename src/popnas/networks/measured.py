"""The cost of a network by building it: for macro-architectures without a bulk formula, and to check the
formulas.
"""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from popnas.cells import Cell
from popnas.networks.building import build
from popnas.networks.network import Network
from popnas.networks.spec import NetworkSpec
from popnas.operators import Cost


def measured_cost(cell: Cell, spec: NetworkSpec) -> Cost:
    """Trainable params, and FLOPs of one sample, of the network built and run on the meta device: shapes,
    no memory.
    """
    with torch.device("meta"):
        network = build(cell, spec).eval()
    return Cost(num_trainable(network), _flops(network))


def num_trainable(network: Network) -> int:
    """Trainable parameters."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def _flops(network: Network) -> int:
    spec = network.spec
    x = torch.zeros((1, spec.input_channels, *spec.input_size), device="meta")
    lengths_B = torch.full((1,), spec.input_size[0], device="meta") if spec.has_lengths else None
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x, lengths_B)
    return int(counter.get_total_flops())
