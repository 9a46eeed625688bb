"""Classification of images and series: motifs of N normal cells with reduction cells between them, then a
dense head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.networks.macros import MACROS
from popnas.networks.macros._base import MacroArchitecture
from popnas.networks.spec import NetworkSpec
from popnas.networks.tables import BulkCosts, stack_costs

if TYPE_CHECKING:
    from popnas.cells import Cell, SearchSpace
    from popnas.networks.network import Network


@MACROS.register(
    "classification", description="motifs of cells, global average, dense head; images and series"
)
class Classification(MacroArchitecture):
    """Depth starts at `filters` and doubles, size halves, at each reduction."""

    is_per_pixel = False

    def build(self, cell: Cell, spec: NetworkSpec) -> Network:
        """See `MacroArchitecture.build`."""
        from popnas.networks.network import ClassificationNetwork

        return ClassificationNetwork(cell, spec, self.plan_of(cell, spec))

    def bulk_costs(self, cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec) -> BulkCosts | None:
        """See `MacroArchitecture.bulk_costs`; here a sum of table entries."""
        return stack_costs(type(self), cells_NB4, space, spec)
