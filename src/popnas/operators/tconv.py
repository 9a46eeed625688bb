"""`3x3 tconv`.

Transpose convolution to twice the size, then a convolution that comes back; each with BN and activation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import KERNEL, REGISTRY, Operator, Site, join_kernel, read_kernel
from popnas.operators._cost import Cost, conv_bn_cost

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register(
    "tconv", description="transpose convolution to twice the size and a strided convolution back"
)
class TransposeConv(Operator):
    """Up by a transpose convolution and back."""

    family = "tconv"
    grammar = "K tconv"
    pattern = KERNEL + " tconv"
    examples = ("3x3 tconv", "2x2 tconv", "5 tconv")

    def __init__(self, kernel: tuple[int, ...]) -> None:
        super().__init__(f"{join_kernel(kernel)} tconv", len(kernel))
        self.kernel = kernel

    @classmethod
    def of_groups(cls, *groups: str) -> Operator:
        """See `Operator.of_groups`."""
        return cls(read_kernel(groups[0]))

    def build(self, site: Site) -> nn.Module:
        """Transpose conv-BN-act with stride 2, then conv-BN-act with twice the stride."""
        from popnas import layers

        dims, out, act = site.num_dims, site.out_channels, site.activation
        return layers.chain(
            layers.TransposeConvBNAct(dims, site.in_channels, out, self.kernel, stride=2, activation=act),
            layers.ConvBNAct(dims, out, out, self.kernel, stride=2 * site.stride, activation=act),
        )

    def cost(self, site: Site) -> Cost:
        """k·in·out + k·out·out weights, two BN; the transpose's FLOPs count the input's positions."""
        out = site.out_channels
        return conv_bn_cost(self.kernel, site.in_channels, out, site.size) + conv_bn_cost(
            self.kernel, out, out, site.out_size
        )
