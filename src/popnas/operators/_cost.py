"""What layers cost, without building them.

`params` are trainable parameters, exactly. `flops` are floating point operations of one sample, a multiply-
add counted as two, over the products of convolutions, dense layers, recurrences and attention; biases,
normalisations, activations, pools, interpolation and sums are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Cost:
    """Trainable parameters and FLOPs of one sample; costs add up."""

    params: int = 0
    flops: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.params + other.params, self.flops + other.flops)

    def times(self, count: int) -> Cost:
        """The cost of `count` such layers."""
        return Cost(self.params * count, self.flops * count)


def strided(size: tuple[int, ...], stride: int) -> tuple[int, ...]:
    """Output size of a "same" layer: ceil(n / stride) per axis."""
    return tuple(-(-n // stride) for n in size)


def dense_cost(in_features: int, out_features: int, *, bias: bool = True, positions: int = 1) -> Cost:
    """A dense layer, applied at `positions` places."""
    weights = in_features * out_features
    return Cost(weights + (out_features if bias else 0), 2 * weights * positions)


def conv_cost(
    kernel: tuple[int, ...],
    in_channels: int,
    out_channels: int,
    out_size: tuple[int, ...],
    *,
    groups: int = 1,
) -> Cost:
    """A convolution without bias: k·in/groups·out weights, 2·weights FLOPs per output position.

    A transpose convolution too, with the size of its *input* as `out_size`.
    """
    weights = prod(kernel) * (in_channels // groups) * out_channels
    return Cost(weights, 2 * weights * prod(out_size))


def norm_cost(channels: int) -> Cost:
    """Batch or layer normalisation: scale and offset."""
    return Cost(2 * channels)


def conv_bn_cost(
    kernel: tuple[int, ...], in_channels: int, out_channels: int, out_size: tuple[int, ...]
) -> Cost:
    """`layers.ConvBNAct` and `layers.TransposeConvBNAct`."""
    return conv_cost(kernel, in_channels, out_channels, out_size) + norm_cost(out_channels)


def pointwise_cost(num_dims: int, in_channels: int, out_channels: int, out_size: tuple[int, ...]) -> Cost:
    """`layers.ConvBNAct` of kernel 1."""
    return conv_bn_cost((1,) * num_dims, in_channels, out_channels, out_size)


def separable_cost(
    kernel: tuple[int, ...], in_channels: int, out_channels: int, out_size: tuple[int, ...]
) -> Cost:
    """`layers.SeparableConvBNAct`: depthwise k·in weights, pointwise in·out, BN."""
    depthwise = conv_cost(kernel, in_channels, in_channels, out_size, groups=in_channels)
    return depthwise + pointwise_cost(len(kernel), in_channels, out_channels, out_size)


def squeeze_excite_cost(channels: int, ratio: int, *, bias: bool = True) -> Cost:
    """`layers.SqueezeExcite`: two dense layers, once per sample."""
    hidden = -(-channels // ratio)
    return dense_cost(channels, hidden, bias=bias) + dense_cost(hidden, channels, bias=bias)
