"""`8r SE`: squeeze and excitation with ratio R (Hu et al. 2018), both dense layers with bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import REGISTRY, Operator, Site, read_count
from popnas.operators._cost import Cost, pointwise_cost, squeeze_excite_cost, strided

if TYPE_CHECKING:
    from torch import nn

MAX_RATIO = 1024


@REGISTRY.register("SE", description="squeeze and excitation: channels scaled by what their averages say")
class SqueezeExciteOperator(Operator):
    """Channels scaled by a gate computed from their averages."""

    family = "SE"
    grammar = "Rr SE"
    pattern = "([0-9]+)r? se"  # POPNAS 3.0 to 3.4 wrote `8 SE`
    examples = ("8r SE", "4r SE")

    def __init__(self, ratio: int) -> None:
        super().__init__(f"{ratio}r SE")
        self.ratio = ratio

    @classmethod
    def of_groups(cls, *groups: str) -> Operator:
        """See `Operator.of_groups`."""
        return cls(read_count(groups[0], "the ratio", 1, MAX_RATIO))

    def build(self, site: Site) -> nn.Module:
        """Max pool first if strided, pointwise conv-BN-act if the depth changes, then the gate."""
        from popnas import layers

        pool = layers.MaxPool(site.num_dims, site.stride, site.stride) if site.stride > 1 else None
        pointwise = None
        if site.is_depth_changed:
            pointwise = layers.ConvBNAct(
                site.num_dims, site.in_channels, site.out_channels, activation=site.activation
            )
        gate = layers.SqueezeExcite(site.out_channels, self.ratio, activation=site.activation)
        return layers.chain(pool, pointwise, gate)

    def cost(self, site: Site) -> Cost:
        """out·h + h + h·out + out with h = ceil(out / R), and in·out + BN if the depth changes."""
        gate = squeeze_excite_cost(site.out_channels, self.ratio)
        if not site.is_depth_changed:
            return gate
        return gate + pointwise_cost(
            site.num_dims, site.in_channels, site.out_channels, strided(site.size, site.stride)
        )
