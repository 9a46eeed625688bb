"""Semantic segmentation with a fixed decoder (after Chen et al. 2018, DeepLab v3+)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.networks.decoder_plan import (
    encoder_outputs,
    fixed_decoder_cost,
    fixed_decoder_plan,
    side_heads_cost,
    stand_in_cost,
)
from popnas.networks.macros import MACROS
from popnas.networks.macros._base import MacroArchitecture, stack_partitions
from popnas.networks.plan import StackPlan
from popnas.networks.spec import NetworkSpec
from popnas.networks.tables import BulkCosts, stack_costs
from popnas.operators import Cost

if TYPE_CHECKING:
    from popnas.cells import Cell, SearchSpace
    from popnas.networks.network import Network


@MACROS.register(
    "segmentation_fixed", description="motifs of cells, then ASPP and a fixed decoder to a class per pixel"
)
class SegmentationFixed(MacroArchitecture):
    """The classification stack as encoder; the decoder reads its end and every second level on the way up."""

    is_per_pixel = True

    def build(self, cell: Cell, spec: NetworkSpec) -> Network:
        """See `MacroArchitecture.build`."""
        from popnas.networks.segmentation import FixedDecoderNetwork

        return FixedDecoderNetwork(cell, spec, self.plan_of(cell, spec))

    def frame_cost(self, plan: StackPlan, spec: NetworkSpec) -> Cost:
        """See `MacroArchitecture.frame_cost`."""
        cost = fixed_decoder_cost(fixed_decoder_plan(plan, spec), spec) + side_heads_cost(plan, spec)
        return cost if plan.cells else cost + stand_in_cost(plan, encoder_outputs(plan, spec), spec)

    def bulk_costs(self, cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec) -> BulkCosts | None:
        """See `MacroArchitecture.bulk_costs`; here a sum of table entries."""
        return stack_costs(type(self), cells_NB4, space, spec)

    def partitions(self, cell: Cell, spec: NetworkSpec) -> dict[str, int]:
        """See `MacroArchitecture.partitions`; the decoder belongs to the last cell, so what it reads of the
        encoder crosses all cuts up to there.
        """
        plan = self.plan_of(cell, spec)
        units = fixed_decoder_plan(plan, spec).units
        return stack_partitions(plan, cell.lookbacks, [unit.skip.source for unit in units])
