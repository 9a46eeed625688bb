"""`3k-2h-1b cvt`: token embedding, layer norm, B transformer blocks of H heads.

The convolutional vision transformer of Wu et al. 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import MAX_KERNEL, REGISTRY, Operator, Site, read_count
from popnas.operators._cost import Cost
from popnas.operators._transformer import MAX_BLOCKS, MAX_HEADS, block_cost, embedding, embedding_cost

if TYPE_CHECKING:
    from torch import nn


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
    def _read(cls, *groups: str) -> Operator:
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
        """Embedding and B blocks (see `_transformer`)."""
        blocks = block_cost(site.out_channels, self.num_heads, site.out_size).times(self.num_blocks)
        return embedding_cost(site, self.kernel) + blocks
