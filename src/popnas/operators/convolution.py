"""`3x3 conv`, `3x3 dconv`, with `:2dr` dilated: plain and depthwise separable convolution, BN, activation.

Depthwise separable (Chollet 2017): depthwise (dilated), then pointwise. Both share their names' form, and
how dilation and stride go together.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

from popnas.operators._base import KERNEL, REGISTRY, Operator, Site, join_kernel, read_count, read_kernel
from popnas.operators._cost import Cost, conv_bn_cost, separable_cost

if TYPE_CHECKING:
    from torch import nn

MAX_DILATION = 64


class DilatedOperator(Operator):
    """`K word` or `K:Rdr word`.

    Strided as it is without dilation; with it, the layer stays unstrided and a max pool of the stride
    follows, because a strided dilated kernel would look at every second position only.
    """

    def __init__(self, kernel: tuple[int, ...], dilation: int) -> None:
        suffix = "" if dilation == 1 else f":{dilation}dr"
        super().__init__(f"{join_kernel(kernel)}{suffix} {self.family}", len(kernel))
        self.kernel = kernel
        self.dilation = dilation

    @classmethod
    def of_groups(cls, *groups: str) -> Self:
        """See `Operator.of_groups`."""
        kernel, rate = groups
        dilation = read_count(rate, "the dilation rate", 1, MAX_DILATION) if rate else 1
        return cls(read_kernel(kernel), dilation)

    def _is_pooled(self, site: Site) -> bool:
        """Whether the stride is left to a max pool."""
        return self.dilation > 1 and site.stride > 1

    def build(self, site: Site) -> nn.Module:
        """The convolution, and a max pool where dilation and stride meet."""
        from popnas import layers

        layer = self._layer(site, 1 if self._is_pooled(site) else site.stride)
        return layers.chain(
            layer, layers.MaxPool(site.num_dims, site.stride, site.stride) if self._is_pooled(site) else None
        )

    def cost(self, site: Site) -> Cost:
        """That of the layer, at the input's size where a pool brings the stride."""
        return self._layer_cost(site, site.size if self._is_pooled(site) else site.out_size)

    @abstractmethod
    def _layer(self, site: Site, stride: int) -> nn.Module:
        """The convolution itself."""

    @abstractmethod
    def _layer_cost(self, site: Site, out_size: tuple[int, ...]) -> Cost:
        """The cost of `_layer` with outputs of that size."""


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
