"""What `maxpool` and `avgpool` share: pool with the stride, then a pointwise conv-BN-act if the depth changes."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

from popnas.operators._base import KERNEL, Operator, Site, join_kernel, match, read_kernel
from popnas.operators._cost import Cost, pointwise_cost

if TYPE_CHECKING:
    from torch import nn


class PoolOperator(Operator):
    """`K word`."""

    def __init__(self, kernel: tuple[int, ...]) -> None:
        super().__init__(f"{join_kernel(kernel)} {self.family}", len(kernel))
        self.kernel = kernel

    @classmethod
    def parse(cls, text: str) -> Self | None:
        groups = match(rf"({KERNEL}) {cls.family}", text)
        return None if groups is None else cls(read_kernel(next(iter(groups)) or "", text))

    def build(self, site: Site) -> nn.Module:
        from popnas import layers

        pointwise = None
        if site.is_depth_changed:
            pointwise = layers.ConvBNAct(
                site.num_dims, site.in_channels, site.out_channels, activation=site.activation
            )
        return layers.chain(self.pool(site), pointwise)

    def cost(self, site: Site) -> Cost:
        """Nothing, or in·out weights and BN."""
        if not site.is_depth_changed:
            return Cost()
        return pointwise_cost(site.num_dims, site.in_channels, site.out_channels, site.out_size)

    @abstractmethod
    def pool(self, site: Site) -> nn.Module:
        """The pool itself."""
