"""`3x3 dconv`, `3x3:2dr dconv`.

Depthwise separable convolution (Chollet 2017): depthwise (dilated), pointwise, BN, activation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import KERNEL, REGISTRY, Site
from popnas.operators._cost import Cost, separable_cost
from popnas.operators._dilated import DilatedOperator

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register(
    "dconv", description="depthwise separable convolution, BN, activation; dilated with ':Rdr'"
)
class SeparableConv(DilatedOperator):
    """Depthwise separable convolution, dilated by R if a rate is given."""

    family = "dconv"
    grammar = "K dconv, K:Rdr dconv"
    pattern = KERNEL + r"(?::([0-9]+)dr)? dconv"
    examples = ("3x3 dconv", "5x5 dconv", "3x3:2dr dconv", "7 dconv", "7:2dr dconv")

    def _layer(self, site: Site, stride: int) -> nn.Module:
        from popnas import layers

        return layers.SeparableConvBNAct(
            site.num_dims,
            site.in_channels,
            site.out_channels,
            self.kernel,
            stride=stride,
            dilation=self.dilation,
            activation=site.activation,
        )

    def _layer_cost(self, site: Site, out_size: tuple[int, ...]) -> Cost:
        """k·in + in·out weights, one BN."""
        return separable_cost(self.kernel, site.in_channels, site.out_channels, out_size)
