"""`3k-2h scvt`: the light form of `cvt`: token embedding, layer norm, attention; no MLP, no residual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import MAX_KERNEL, REGISTRY, Operator, Site, read_count
from popnas.operators._cost import Cost
from popnas.operators._transformer import MAX_HEADS, attention_cost, embedding, embedding_cost

if TYPE_CHECKING:
    from torch import nn


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
    def _read(cls, *groups: str) -> Operator:
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
        """Embedding and one attention (see `_transformer`)."""
        return embedding_cost(site, self.kernel) + attention_cost(
            site.out_channels, self.num_heads, site.out_size
        )
