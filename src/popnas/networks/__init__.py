"""Networks of cells: a cell as a module, macro-architectures, heads, the plan of built cells and shapes,
and costs.

Only `network`, `segmentation`, `cell`, `decoder`, `heads` and `measured` import torch; the rest never does,
so that plans and costs are known without it and the names here are resolved on first use. Nothing here may
know of data, training or configuration files. To add a macro-architecture see `popnas.networks.macros`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popnas.lazy import attribute

if TYPE_CHECKING:
    from popnas.networks.cost import BulkCosts, bulk_costs, network_cost, partitions
    from popnas.networks.macros import MACROS, MacroArchitecture
    from popnas.networks.network import Network, build
    from popnas.networks.plan import num_cells_stacked
    from popnas.networks.spec import NetworkSpec

_HOMES = {
    "BulkCosts": ".cost",
    "MACROS": ".macros",
    "MacroArchitecture": ".macros",
    "Network": ".network",
    "NetworkSpec": ".spec",
    "build": ".network",
    "bulk_costs": ".cost",
    "network_cost": ".cost",
    "num_cells_stacked": ".plan",
    "partitions": ".cost",
}

__all__ = [
    "MACROS",
    "BulkCosts",
    "MacroArchitecture",
    "Network",
    "NetworkSpec",
    "build",
    "bulk_costs",
    "network_cost",
    "num_cells_stacked",
    "partitions",
]


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)
