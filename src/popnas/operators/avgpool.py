"""`2x2 avgpool`: padding is not counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import KERNEL, REGISTRY, Site
from popnas.operators._pool import PoolOperator

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("avgpool", description="mean over a window")
class AvgPool(PoolOperator):
    """Mean over the part of a window inside the input."""

    family = "avgpool"
    grammar = "K avgpool"
    pattern = KERNEL + " avgpool"
    examples = ("2x2 avgpool", "3x3 avgpool", "2 avgpool")

    def _pool(self, site: Site) -> nn.Module:
        from popnas import layers

        return layers.AvgPool(site.num_dims, self.kernel, site.stride)
