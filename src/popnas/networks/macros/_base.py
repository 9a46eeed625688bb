"""What every macro-architecture answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from popnas.networks.plan import StackPlan, head_positions, plan_sources, stack_plan
from popnas.networks.spec import NetworkSpec
from popnas.networks.tables import BulkCosts
from popnas.operators import Cost, dense_cost

if TYPE_CHECKING:
    from popnas.cells import Cell, SearchSpace
    from popnas.networks.network import Network


class MacroArchitecture(ABC):
    """A way of stacking cells into a network. Stateless: everything it needs is in the spec.

    `is_per_pixel`: whether its networks answer with a class for every pixel; None leaves that to the user.
    `is_of_cells`: whether there is anything to search in it; false for a network that is known as a whole.
    """

    is_per_pixel: ClassVar[bool | None] = None
    is_of_cells: ClassVar[bool] = True

    @abstractmethod
    def build(self, cell: Cell, spec: NetworkSpec) -> Network:
        """The network of a cell in canonical form, initialised from torch's global generator."""

    def plan(self, nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
        """The built cells for cells whose nearest used lookback is `nearest` (0: the empty cell), with
        lookbacks to -`lookback_depth`; by default those of the classification stack.
        """
        return stack_plan(nearest, lookback_depth, spec)

    def plan_of(self, cell: Cell, spec: NetworkSpec) -> StackPlan:
        """`plan` as deep as the cell's lookbacks reach."""
        return self.plan(max(cell.lookbacks, default=0), -min(cell.lookbacks, default=-1), spec)

    def num_cells_stacked(self, nearest_N: np.ndarray, spec: NetworkSpec) -> np.ndarray:
        """Cells really stacked, int64 (N,), from each cell's nearest used lookback (0: the empty cell)."""
        nearest, kind_N = np.unique(nearest_N, return_inverse=True)
        counts = [len(self.plan(int(lookback), 1, spec).cells) for lookback in nearest]
        return np.array(counts, dtype=np.int64)[kind_N]

    def frame_cost(self, plan: StackPlan, spec: NetworkSpec) -> Cost:
        """What a network costs beside its stem and cells: by default a dense head per cell that bears one.

        `tables.stack_costs`, the bulk formula of any macro-architecture that says this and its `plan`, adds
        it up with these.
        """
        heads = head_positions(len(plan.cells), spec)
        costs = [dense_cost(plan.output(head).channels, spec.num_classes) for head in heads]
        return sum(costs, Cost())

    def bulk_costs(self, cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec) -> BulkCosts | None:
        """Exact params and FLOPs of the networks of all cells; None = no formula, they are built to be
        costed.
        """
        return None

    def partitions(self, cell: Cell, spec: NetworkSpec) -> dict[str, int]:
        """Bytes that cross each cut between built cells (`{"input -> cell_0": bytes, ...}`, with a stem
        `{"input -> stem": bytes, "stem -> cell_0": ...}`, float32, one sample).

        Every tensor that is made before the cut and read by a cell after it counts once, also one that
        skips cells. A head belongs to the cell that it reads, so it moves nothing over a cut.
        """
        return stack_partitions(self.plan_of(cell, spec), cell.lookbacks)


def stack_partitions(
    plan: StackPlan, lookbacks: tuple[int, ...], read_with_last: Iterable[int] = ()
) -> dict[str, int]:
    """`MacroArchitecture.partitions` of a stack whose cells read the given lookbacks.

    `read_with_last` are sources that what stands behind the last cell, and belongs to it, reads too.
    """
    reads = [plan_sources(cell, lookbacks) for cell in plan.cells]
    if reads:
        reads[-1] += read_with_last
    has_stem = len(plan.stem) > 1
    cuts = {"input -> stem": 4 * plan.stem[0].num_values} if has_stem else {}
    first = "stem" if has_stem else "input"
    for index in range(len(plan.cells)):
        crossing = {source for read in reads[index:] for source in read if source < index}
        before = f"cell_{index - 1}" if index else first
        cuts[f"{before} -> cell_{index}"] = 4 * sum(plan.output(source).num_values for source in crossing)
    return cuts
