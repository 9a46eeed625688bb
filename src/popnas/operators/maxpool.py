"""`2x2 maxpool`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.operators._base import KERNEL, REGISTRY, Site
from popnas.operators._pool import PoolOperator

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("maxpool", description="maximum over a window")
class MaxPool(PoolOperator):
    """Maximum over a window."""

    family = "maxpool"
    grammar = "K maxpool"
    pattern = KERNEL + " maxpool"
    examples = ("2x2 maxpool", "3x3 maxpool", "2 maxpool")

    def _pool(self, site: Site) -> nn.Module:
        from popnas import layers

        return layers.MaxPool(site.num_dims, self.kernel, site.stride)
