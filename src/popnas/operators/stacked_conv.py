"""`1x7-7x1 conv`.

Two convolutions, each with BN and activation; the first takes the stride and brings the depth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.errors import OperatorError
from popnas.operators._base import KERNEL, REGISTRY, Operator, Site, join_kernel, read_kernel
from popnas.operators._cost import Cost, conv_bn_cost

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("stacked conv", description="two convolutions in a row, e.g. a factorised large kernel")
class StackedConv(Operator):
    """Two convolutions in a row."""

    family = "stacked conv"
    grammar = "K1-K2 conv"
    pattern = KERNEL + "-" + KERNEL + " conv"
    examples = ("1x3-3x1 conv", "1x7-7x1 conv", "3-5 conv")

    def __init__(self, first: tuple[int, ...], second: tuple[int, ...]) -> None:
        super().__init__(f"{join_kernel(first)}-{join_kernel(second)} conv", len(first))
        self.first = first
        self.second = second

    @classmethod
    def of_groups(cls, *groups: str) -> Operator:
        """See `Operator.of_groups`."""
        first, second = (read_kernel(group) for group in groups)
        if len(first) != len(second):
            raise OperatorError(
                "both kernels must be for images (1x3-3x1) or both for series (3-5), not one of each."
            )
        return cls(first, second)

    def build(self, site: Site) -> nn.Module:
        """Two conv-BN-act, the first with the stride."""
        from popnas import layers

        dims, out, act = site.num_dims, site.out_channels, site.activation
        return layers.chain(
            layers.ConvBNAct(dims, site.in_channels, out, self.first, stride=site.stride, activation=act),
            layers.ConvBNAct(dims, out, out, self.second, activation=act),
        )

    def cost(self, site: Site) -> Cost:
        """k1·in·out + k2·out·out weights, two BN."""
        out = site.out_channels
        return conv_bn_cost(self.first, site.in_channels, out, site.out_size) + conv_bn_cost(
            self.second, out, out, site.out_size
        )
