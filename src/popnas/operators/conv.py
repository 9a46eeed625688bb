"""`3x3 conv`, `3x3:2dr conv`: convolution (dilated), BN, activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import KERNEL, REGISTRY, Site
from popnas.operators._cost import Cost, conv_bn_cost
from popnas.operators._dilated import DilatedOperator

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("conv", description="convolution, BN, activation; dilated with ':Rdr'")
class Conv(DilatedOperator):
    """Convolution, dilated by R if a rate is given."""

    family = "conv"
    grammar = "K conv, K:Rdr conv"
    pattern = KERNEL + r"(?::([0-9]+)dr)? conv"
    examples = ("3x3 conv", "1x1 conv", "2x2 conv", "3x3:2dr conv", "7 conv", "7:2dr conv")

    def _layer(self, site: Site, stride: int) -> nn.Module:
        from popnas import layers

        return layers.ConvBNAct(
            site.num_dims,
            site.in_channels,
            site.out_channels,
            self.kernel,
            stride=stride,
            dilation=self.dilation,
            activation=site.activation,
        )

    def _layer_cost(self, site: Site, out_size: tuple[int, ...]) -> Cost:
        """k·in·out weights and BN."""
        return conv_bn_cost(self.kernel, site.in_channels, site.out_channels, out_size)
