"""`identity`.

Passes its input through; where depth or size changes, a pointwise conv-BN-act (with the stride).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import REGISTRY, Operator, Site
from popnas.operators._cost import Cost, pointwise_cost

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("identity", description="passes its input through")
class Identity(Operator):
    """Passes its input through."""

    family = "identity"
    grammar = "identity"
    pattern = "identity"
    examples = ("identity",)

    def build(self, site: Site) -> nn.Module:
        """Nothing, or a pointwise conv-BN-act."""
        from popnas import layers

        if site.stride == 1 and not site.is_depth_changed:
            return layers.chain()
        return layers.ConvBNAct(
            site.num_dims, site.in_channels, site.out_channels, stride=site.stride, activation=site.activation
        )

    def cost(self, site: Site) -> Cost:
        """Nothing, or in·out weights and BN."""
        if site.stride == 1 and not site.is_depth_changed:
            return Cost()
        return pointwise_cost(site.num_dims, site.in_channels, site.out_channels, site.out_size)
