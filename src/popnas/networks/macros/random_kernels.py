"""A classifier of series that is fitted in seconds: random kernels and a ridge head, for no cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from popnas.networks.macros import MACROS
from popnas.networks.macros._base import MacroArchitecture
from popnas.networks.plan import StackPlan
from popnas.networks.spec import NetworkSpec

if TYPE_CHECKING:
    from popnas.cells import Cell
    from popnas.networks.network import Network


@MACROS.register(
    "random_kernels", description="no cells: shares of fixed dilated convolutions, ridge head; series"
)
class RandomKernelsMacro(MacroArchitecture):
    """Stacks no cell: what is known as MiniRocket, a reference that searched networks are compared with."""

    is_per_pixel = False
    is_of_cells = False
    has_differences: ClassVar[bool] = False

    def build(self, cell: Cell, spec: NetworkSpec) -> Network:
        """See `MacroArchitecture.build`."""
        from popnas.networks.known.random_kernels import RandomKernels

        return RandomKernels(cell, spec, has_differences=self.has_differences)

    def plan(self, nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
        """See `MacroArchitecture.plan`: neither stem nor cell is built."""
        return super().plan(0, 1, spec.replace(stem=None))


@MACROS.register(
    "random_kernels_differences", description="the same of a series and of its differences, too; series"
)
class RandomKernelsOfDifferencesMacro(RandomKernelsMacro):
    """Twice the features: those that MultiRocket adds to MiniRocket by reading the first differences."""

    has_differences = True
