"""`3x3:2z zconv`: the input is averaged down by Z, convolved (BN, activation), and brought up again by interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import KERNEL, REGISTRY, Operator, Site, join_kernel, match, read_count, read_kernel
from popnas.operators._cost import Cost, conv_bn_cost, strided

if TYPE_CHECKING:
    from torch import nn

MAX_ZOOM = 32


@REGISTRY.register("zconv", description="convolution on the input zoomed out by Z, zoomed in again")
class ZoomConv(Operator):
    family = "zconv"
    grammar = "K:Zz zconv"
    examples = ("3x3:2z zconv", "3x3:4z zconv", "3:3z zconv")

    def __init__(self, kernel: tuple[int, ...], zoom: int) -> None:
        super().__init__(f"{join_kernel(kernel)}:{zoom}z zconv", len(kernel))
        self.kernel = kernel
        self.zoom = zoom

    @classmethod
    def parse(cls, text: str) -> Operator | None:
        groups = match(rf"({KERNEL}):([0-9]+)z zconv", text)
        if groups is None:
            return None
        kernel, zoom = (group or "" for group in groups)
        return cls(read_kernel(kernel, text), read_count(zoom, text, "the zoom factor", 2, MAX_ZOOM))

    def build(self, site: Site) -> nn.Module:
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
