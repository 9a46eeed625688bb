"""What every macro-architecture answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from popnas.networks.plan import StackPlan, stack_plan
from popnas.networks.spec import NetworkSpec

if TYPE_CHECKING:
    from popnas.cells import Cell, SearchSpace
    from popnas.networks.cost import BulkCosts
    from popnas.networks.network import Network


class MacroArchitecture(ABC):
    """A way of stacking cells into a network. Stateless: everything it needs is in the spec."""

    @abstractmethod
    def build(self, cell: Cell, spec: NetworkSpec) -> Network:
        """The network of a cell in canonical form, initialised from torch's global generator."""

    def plan(self, nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
        """The built cells for cells whose nearest used lookback is `nearest` (0: the empty cell), with
        lookbacks to -`lookback_depth`; by default those of the classification stack.
        """
        return stack_plan(nearest, lookback_depth, spec)

    def num_cells_stacked(self, nearest_N: np.ndarray, spec: NetworkSpec) -> np.ndarray:
        """Cells really stacked, int64 (N,), from each cell's nearest used lookback (0: the empty cell)."""
        nearest, kind_N = np.unique(nearest_N, return_inverse=True)
        counts = [len(self.plan(int(lookback), 1, spec).cells) for lookback in nearest]
        return np.array(counts, dtype=np.int64)[kind_N]

    def bulk_costs(self, cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec) -> BulkCosts | None:
        """Exact params and FLOPs of the networks of all cells; None = no formula, they are built to be
        costed.
        """
        return None

    def partitions(self, cell: Cell, spec: NetworkSpec) -> dict[str, int]:
        """Bytes that cross each cut between built cells (`{"input -> cell_0": bytes, ...}`, float32, one
        sample).

        Every tensor that is made before the cut and read by a cell after it counts once, also one that
        skips cells. A head belongs to the cell that it reads, so it moves nothing over a cut.
        """
        nearest, farthest = max(cell.lookbacks, default=0), min(cell.lookbacks, default=-1)
        return stack_partitions(self.plan(nearest, -farthest, spec), cell.lookbacks)


def stack_partitions(plan: StackPlan, lookbacks: tuple[int, ...]) -> dict[str, int]:
    """`MacroArchitecture.partitions` of a stack whose cells read the given lookbacks."""
    reads = [{cell.lookback(number).source for number in lookbacks} for cell in plan.cells]
    cuts = {}
    for index in range(len(plan.cells)):
        crossing = {source for read in reads[index:] for source in read if source < index}
        before = f"cell_{index - 1}" if index else "input"
        cuts[f"{before} -> cell_{index}"] = 4 * sum(plan.output(source).num_values for source in crossing)
    return cuts
