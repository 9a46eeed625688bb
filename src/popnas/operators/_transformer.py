"""What `cvt` and `scvt` share: their costs, and the convolutional token embedding."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from popnas.operators._base import Site
from popnas.operators._cost import Cost, conv_cost, dense_cost, norm_cost, strided

if TYPE_CHECKING:
    from torch import nn

MAX_HEADS = 64
MAX_BLOCKS = 24
KEY_STRIDE = 2


def embedding(site: Site, kernel: int) -> nn.Module:
    """Convolution with bias (and the stride) to the operator's depth, then layer normalisation over the
    channels.
    """
    from popnas import layers

    return layers.Chain(
        layers.Convolution(2, site.in_channels, site.out_channels, kernel, stride=site.stride, bias=True),
        layers.ChannelNorm(site.out_channels),
    )


def embedding_cost(site: Site, kernel: int) -> Cost:
    """k²·in·out + out, layer norm 2·out."""
    width = site.out_channels
    conv = conv_cost((kernel, kernel), site.in_channels, width, site.out_size)
    return conv + Cost(params=width) + norm_cost(width)


def attention_cost(width: int, num_heads: int, size: tuple[int, ...]) -> Cost:
    """`layers.ConvAttention` on a map of that depth and size: three projections, two products, output.

    A projection has 9F (depthwise) + 2F (BN) + F·HF + HF weights; the output HF·F + F. With N tokens and M =
    keys the two products are 2 x 2·H·N·M·F FLOPs.
    """
    inner = num_heads * width
    num_queries, key_size = prod(size), strided(size, KEY_STRIDE)
    num_keys = prod(key_size)
    query = _projection_cost(width, inner, size)
    keys_and_values = _projection_cost(width, inner, key_size).times(2)
    products = Cost(flops=2 * 2 * inner * num_queries * num_keys)
    return query + keys_and_values + products + dense_cost(inner, width, positions=num_queries)


def block_cost(width: int, num_heads: int, size: tuple[int, ...]) -> Cost:
    """`layers.TransformerBlock`: two layer norms, attention, F -> 2F -> F."""
    positions = prod(size)
    mlp = dense_cost(width, 2 * width, positions=positions) + dense_cost(
        2 * width, width, positions=positions
    )
    return norm_cost(width).times(2) + attention_cost(width, num_heads, size) + mlp


def _projection_cost(width: int, inner: int, out_size: tuple[int, ...]) -> Cost:
    depthwise = conv_cost((3, 3), width, width, out_size, groups=width)
    return depthwise + norm_cost(width) + dense_cost(width, inner, positions=prod(out_size))
