"""`one_motif`: the classification network with the cells of its first motif only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.networks.macros import MACROS, MacroArchitecture
from popnas.networks.plan import StackPlan, stack_plan

if TYPE_CHECKING:
    from popnas.cells import Cell
    from popnas.networks.network import Network
    from popnas.networks.spec import NetworkSpec


@MACROS.register("one_motif", description="the cells of one motif, whatever the number of motifs")
class OneMotif(MacroArchitecture):
    """Without a bulk formula of its own: its networks are built to be costed."""

    is_per_pixel = False

    def build(self, cell: Cell, spec: NetworkSpec) -> Network:
        """See `MacroArchitecture.build`."""
        from popnas.networks.network import ClassificationNetwork

        return ClassificationNetwork(cell, spec, self.plan_of(cell, spec))

    def plan(self, nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
        """See `MacroArchitecture.plan`."""
        return stack_plan(nearest, lookback_depth, spec.replace(motifs=1))
