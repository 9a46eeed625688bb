"""`3x3:2z zconv`.

The input is averaged down by Z, convolved (BN, activation), and brought up again by interpolation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import KERNEL, REGISTRY, Operator, Site, join_kernel, read_count, read_kernel
from popnas.operators._cost import Cost, conv_bn_cost, strided

if TYPE_CHECKING:
    from torch import nn

MAX_ZOOM = 32


@REGISTRY.register("zconv", description="convolution on the input zoomed out by Z, zoomed in again")
class ZoomConv(Operator):
    """Convolution on the zoomed-out input."""

    family = "zconv"
    grammar = "K:Zz zconv"
    pattern = KERNEL + r":([0-9]+)z zconv"
    examples = ("3x3:2z zconv", "3x3:4z zconv", "3:3z zconv")

    def __init__(self, kernel: tuple[int, ...], zoom: int) -> None:
        super().__init__(f"{join_kernel(kernel)}:{zoom}z zconv", len(kernel))
        self.kernel = kernel
        self.zoom = zoom

    @classmethod
    def of_groups(cls, *groups: str) -> Operator:
        """See `Operator.of_groups`."""
        kernel, zoom = groups
        return cls(read_kernel(kernel), read_count(zoom, "the zoom factor", 2, MAX_ZOOM))

    def build(self, site: Site) -> nn.Module:
        """Average pool, conv-BN-act with the stride, interpolation cropped to ceil(n / stride)."""
        from popnas import layers

        conv = layers.ConvBNAct(
            site.num_dims,
            site.in_channels,
            site.out_channels,
            self.kernel,
            stride=site.stride,
            activation=site.activation,
        )
        return layers.Zoomed(site.num_dims, conv, self.zoom, site.stride)

    def cost(self, site: Site) -> Cost:
        """k·in·out weights and BN; FLOPs at ceil(ceil(n / Z) / stride) positions per axis."""
        out_size = strided(strided(site.size, self.zoom), site.stride)
        return conv_bn_cost(self.kernel, site.in_channels, site.out_channels, out_size)
