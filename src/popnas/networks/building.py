"""What the macro-architecture of a spec makes of a cell: its network, and how many cells that stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.cells import Cell, bulk
from popnas.networks.macros import MACROS

if TYPE_CHECKING:
    from popnas.networks.network import Network
    from popnas.networks.spec import NetworkSpec


def build(cell: Cell, spec: NetworkSpec) -> Network:
    """The network of a cell's canonical form, so that equivalent cells get equal networks under an equal
    seed.

    Weights are drawn from torch's global generator (`torch.manual_seed`).

    Raises:
        OperatorError: an operator that does not exist or does not suit the data.
    """
    return MACROS.get(spec.macro)().build(cell.canonical(), spec)


def num_cells_stacked(cells: Cell | np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """Cells really stacked in the network of one cell or of each cell of an array (N, B, 4): int64 (1,) or
    (N,).
    """
    if isinstance(cells, Cell):
        nearest_N = np.array([cells.lookbacks[0] if cells.lookbacks else 0])
    else:
        nearest_N = bulk.nearest_lookback(cells)
    return MACROS.get(spec.macro)().num_cells_stacked(nearest_N, spec)
