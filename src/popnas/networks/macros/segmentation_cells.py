"""Semantic segmentation with cells in the decoder (after Ronneberger et al. 2015, U-Net)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.networks.decoder_plan import (
    all_levels,
    empty_decoder_cost,
    pixel_head_cost,
    side_heads_cost,
    stand_in_cost,
)
from popnas.networks.macros import MACROS
from popnas.networks.macros._base import MacroArchitecture
from popnas.networks.plan import StackPlan, encoder_decoder_plan, place_feature
from popnas.networks.spec import NetworkSpec
from popnas.networks.tables import BulkCosts, stack_costs
from popnas.operators import Cost

if TYPE_CHECKING:
    from popnas.cells import Cell, SearchSpace
    from popnas.networks.network import Network


@MACROS.register("segmentation_cells", description="motifs of cells down and up again, merged level by level")
class SegmentationCells(MacroArchitecture):
    """The classification stack as encoder, and N + 1 cells per level on the way up."""

    is_per_pixel = True

    def build(self, cell: Cell, spec: NetworkSpec) -> Network:
        """See `MacroArchitecture.build`."""
        from popnas.networks.segmentation import CellsDecoderNetwork

        return CellsDecoderNetwork(cell, spec, self.plan_of(cell, spec))

    def plan(self, nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
        """See `MacroArchitecture.plan`: the cells of the encoder, then those of the decoder."""
        return encoder_decoder_plan(nearest, lookback_depth, spec)

    def frame_cost(self, plan: StackPlan, spec: NetworkSpec) -> Cost:
        """See `MacroArchitecture.frame_cost`."""
        if plan.cells:
            return side_heads_cost(plan, spec) + pixel_head_cost(plan.last, spec)
        frame = stand_in_cost(plan, all_levels(spec), spec) + empty_decoder_cost(spec)
        return frame + pixel_head_cost(place_feature(0, spec), spec)

    def bulk_costs(self, cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec) -> BulkCosts | None:
        """See `MacroArchitecture.bulk_costs`; here a sum of table entries."""
        return stack_costs(type(self), cells_NB4, space, spec)
