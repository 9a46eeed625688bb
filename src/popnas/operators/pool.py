"""`2x2 avgpool`, `2x2 maxpool`: pool with the stride, then a pointwise conv-BN-act if the depth changes."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

from popnas.operators._base import KERNEL, REGISTRY, Operator, Site, join_kernel, read_kernel
from popnas.operators._cost import Cost, pointwise_cost

if TYPE_CHECKING:
    from torch import nn


class PoolOperator(Operator):
    """`K word`."""

    def __init__(self, kernel: tuple[int, ...]) -> None:
        super().__init__(f"{join_kernel(kernel)} {self.family}", len(kernel))
        self.kernel = kernel

    @classmethod
    def of_groups(cls, *groups: str) -> Self:
        """See `Operator.of_groups`."""
        return cls(read_kernel(groups[0]))

    def build(self, site: Site) -> nn.Module:
        """The pool with the stride, a pointwise conv-BN-act if the depth changes."""
        from popnas import layers

        pointwise = None
        if site.is_depth_changed:
            pointwise = layers.ConvBNAct(
                site.num_dims, site.in_channels, site.out_channels, activation=site.activation
            )
        return layers.chain(self._pool(site), pointwise)

    def cost(self, site: Site) -> Cost:
        """Nothing, or in·out weights and BN."""
        if not site.is_depth_changed:
            return Cost()
        return pointwise_cost(site.num_dims, site.in_channels, site.out_channels, site.out_size)

    @abstractmethod
    def _pool(self, site: Site) -> nn.Module:
        """The pool itself."""


@REGISTRY.register("avgpool", description="mean over a window")
class AvgPoolOperator(PoolOperator):
    """Mean over the part of a window inside the input."""

    family = "avgpool"
    grammar = "K avgpool"
    pattern = KERNEL + " avgpool"
    examples = ("2x2 avgpool", "3x3 avgpool", "2 avgpool")

    def _pool(self, site: Site) -> nn.Module:
        from popnas import layers

        return layers.AvgPool(site.num_dims, self.kernel, site.stride)


@REGISTRY.register("maxpool", description="maximum over a window")
class MaxPoolOperator(PoolOperator):
    """Maximum over a window."""

    family = "maxpool"
    grammar = "K maxpool"
    pattern = KERNEL + " maxpool"
    examples = ("2x2 maxpool", "3x3 maxpool", "2 maxpool")

    def _pool(self, site: Site) -> nn.Module:
        from popnas import layers

        return layers.MaxPool(site.num_dims, self.kernel, site.stride)
