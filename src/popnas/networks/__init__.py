"""Networks of cells: a cell as a module, macro-architectures, heads, the plan of built cells and shapes,
and costs.

From the ground up: `spec` (and the `Contract` of any network that answers), `plan` and `decoder_plan`
(shapes), the modules made of them (`answering`, `heads`, `decoder`, `cell`, `network`, `segmentation`) beside
the cost of a stack (`tables`), the `known` networks, `macros`, and what asks these for any network:
`building`, `measured`, `memory`, `cost`. Only modules, `measured`, `memory` and `weights` import torch; the
rest never does, so that plans and costs are known without it and the names here are resolved on first use.
Nothing here may know of data, training or configuration files. To add a macro-architecture see
`popnas.networks.macros`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popnas.lazy import attribute

if TYPE_CHECKING:
    from popnas.networks.building import build, num_cells_stacked
    from popnas.networks.cost import bulk_costs, network_cost, partitions
    from popnas.networks.macros import MACROS, MacroArchitecture
    from popnas.networks.network import Network
    from popnas.networks.spec import NetworkSpec
    from popnas.networks.tables import BulkCosts

_HOMES = {
    "BulkCosts": ".tables",
    "MACROS": ".macros",
    "MacroArchitecture": ".macros",
    "Network": ".network",
    "NetworkSpec": ".spec",
    "build": ".building",
    "bulk_costs": ".cost",
    "network_cost": ".cost",
    "num_cells_stacked": ".building",
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
