"""`3k-2h-1b cvt`: token embedding, layer norm, B transformer blocks of H heads; `3k-2h scvt`: its light
form.

The convolutional vision transformer of Wu et al. 2021. The light form is embedding, layer norm and attention
alone: no MLP, no residual.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from popnas.operators._base import MAX_KERNEL, REGISTRY, Operator, Site, read_count
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
        layers.BiasedConvolution(2, site.in_channels, site.out_channels, kernel, stride=site.stride),
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


@REGISTRY.register("cvt", description="convolutional transformer blocks: attention over positions and an MLP")
class ConvTransformer(Operator):
    """Convolutional vision transformer."""

    family = "cvt"
    grammar = "Kk-Hh-Bb cvt (images)"
    pattern = "([0-9]+)k-([0-9]+)h-([0-9]+)b cvt"
    examples = ("3k-2h-1b cvt",)
    num_dims_allowed = frozenset({2})

    def __init__(self, kernel: int, num_heads: int, num_blocks: int) -> None:
        super().__init__(f"{kernel}k-{num_heads}h-{num_blocks}b cvt", 2)
        self.kernel = kernel
        self.num_heads = num_heads
        self.num_blocks = num_blocks

    @classmethod
    def of_groups(cls, *groups: str) -> Operator:
        """See `Operator.of_groups`."""
        kernel, heads, blocks = groups
        return cls(
            read_count(kernel, "the kernel", 1, MAX_KERNEL[2]),
            read_count(heads, "the number of heads", 1, MAX_HEADS),
            read_count(blocks, "the number of blocks", 1, MAX_BLOCKS),
        )

    def build(self, site: Site) -> nn.Module:
        """Embedding and B transformer blocks."""
        from popnas import layers

        blocks = [
            layers.TransformerBlock(site.out_channels, self.num_heads, site.activation)
            for _ in range(self.num_blocks)
        ]
        return layers.chain(embedding(site, self.kernel), *blocks)

    def cost(self, site: Site) -> Cost:
        """Embedding and B blocks."""
        blocks = block_cost(site.out_channels, self.num_heads, site.out_size).times(self.num_blocks)
        return embedding_cost(site, self.kernel) + blocks


@REGISTRY.register("scvt", description="convolutional attention over positions, nothing else")
class SimpleConvTransformer(Operator):
    """Convolutional attention without MLP and residual."""

    family = "scvt"
    grammar = "Kk-Hh scvt (images)"
    pattern = "([0-9]+)k-([0-9]+)h scvt"
    examples = ("3k-2h scvt",)
    num_dims_allowed = frozenset({2})

    def __init__(self, kernel: int, num_heads: int) -> None:
        super().__init__(f"{kernel}k-{num_heads}h scvt", 2)
        self.kernel = kernel
        self.num_heads = num_heads

    @classmethod
    def of_groups(cls, *groups: str) -> Operator:
        """See `Operator.of_groups`."""
        kernel, heads = groups
        return cls(
            read_count(kernel, "the kernel", 1, MAX_KERNEL[2]),
            read_count(heads, "the number of heads", 1, MAX_HEADS),
        )

    def build(self, site: Site) -> nn.Module:
        """Embedding and one attention."""
        from popnas import layers

        return layers.chain(
            embedding(site, self.kernel), layers.ConvAttention(site.out_channels, self.num_heads)
        )

    def cost(self, site: Site) -> Cost:
        """Embedding and one attention."""
        return embedding_cost(site, self.kernel) + attention_cost(
            site.out_channels, self.num_heads, site.out_size
        )
