from __future__ import annotations

import pytest
import torch

from popnas import networks
from popnas.cells import Cell
from popnas.networks import NetworkSpec


@pytest.fixture(scope="session")
def make_network():
    """(cell, input shape, changes of the spec) -> an untrained network in eval mode."""

    def make(cell: str, shape: tuple[int, ...], **changes: object) -> networks.Network:
        values = {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1} | changes
        torch.manual_seed(3)
        return networks.build(Cell.parse(cell), NetworkSpec("classification", shape, 3, **values)).eval()

    return make
