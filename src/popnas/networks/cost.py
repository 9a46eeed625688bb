"""Params, FLOPs and partitions of networks without building them, for arrays of cells.

A multiply-add counts as 2 FLOPs; FLOPs are those of one sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.cells import SearchSpace
from popnas.networks.macros import MACROS
from popnas.networks.tables import BulkCosts
from popnas.operators import Cost

if TYPE_CHECKING:
    from popnas.cells import Cell
    from popnas.networks.spec import NetworkSpec


def bulk_costs(cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec) -> BulkCosts:
    """Exact costs of the networks of all cells (encoded by `space`), in any block order.

    A macro-architecture without a bulk formula has its networks built on the meta device, one by one.
    """
    costs = MACROS.get(spec.macro)().bulk_costs(cells_NB4, space, spec)
    if costs is not None:
        return costs
    from popnas.networks.measured import measured_cost

    measured = [measured_cost(cell, spec) for cell in space.decode(cells_NB4)]
    params_N = np.array([cost.params for cost in measured], dtype=np.int64)
    return BulkCosts(params_N, np.array([cost.flops for cost in measured], dtype=np.int64))


def network_cost(cell: Cell, spec: NetworkSpec) -> Cost:
    """Cost of one network; the cell's operators and lookbacks need not belong to any search space."""
    space = SearchSpace.covering([cell])
    costs = bulk_costs(space.encode([cell], space.num_blocks), space, spec)
    return Cost(int(costs.params[0]), int(costs.flops[0]))


def partitions(cell: Cell, spec: NetworkSpec) -> dict[str, int]:
    """Bytes that cross each cut between built cells: see `MacroArchitecture.partitions`."""
    return MACROS.get(spec.macro)().partitions(cell, spec)
