"""`bottleneck`: a pointwise convolution to half of the channels, and one to all of them."""

from __future__ import annotations

from torch import nn

from popnas import layers
from popnas.operators import REGISTRY, Cost, Operator, Site, pointwise_cost


@REGISTRY.register("bottleneck", description="two pointwise convolutions with half of the channels between")
class Bottleneck(Operator):
    """For images and series alike."""

    family = "bottleneck"
    grammar = "bottleneck"
    pattern = "bottleneck"
    examples = ("bottleneck",)

    def build(self, site: Site) -> nn.Module:
        """See `Operator.build`."""
        inner = max(1, site.out_channels // 2)
        narrow = layers.ConvBNAct(
            site.num_dims, site.in_channels, inner, stride=site.stride, activation=site.activation
        )
        wide = layers.ConvBNAct(site.num_dims, inner, site.out_channels, activation=site.activation)
        return layers.chain(narrow, wide)

    def cost(self, site: Site) -> Cost:
        """See `Operator.cost`."""
        inner = max(1, site.out_channels // 2)
        narrow = pointwise_cost(site.num_dims, site.in_channels, inner, site.out_size)
        return narrow + pointwise_cost(site.num_dims, inner, site.out_channels, site.out_size)
