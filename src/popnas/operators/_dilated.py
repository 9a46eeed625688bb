"""What `conv` and `dconv` share: their names, and how dilation and stride go together."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

from popnas.operators._base import KERNEL, Operator, Site, join_kernel, match, read_count, read_kernel
from popnas.operators._cost import Cost

if TYPE_CHECKING:
    from torch import nn

MAX_DILATION = 64


class DilatedOperator(Operator):
    """`K word` or `K:Rdr word`.

    Strided as it is without dilation; with it, the layer stays unstrided and a max pool of the stride follows, because a strided dilated
    kernel would look at every second position only.
    """

    def __init__(self, kernel: tuple[int, ...], dilation: int) -> None:
        suffix = "" if dilation == 1 else f":{dilation}dr"
        super().__init__(f"{join_kernel(kernel)}{suffix} {self.family}", len(kernel))
        self.kernel = kernel
        self.dilation = dilation

    @classmethod
    def parse(cls, text: str) -> Self | None:
        groups = match(rf"({KERNEL})(?::([0-9]+)dr)? {cls.family}", text)
        if groups is None:
            return None
        kernel, rate = groups
        dilation = 1 if rate is None else read_count(rate, text, "the dilation rate", 1, MAX_DILATION)
        return cls(read_kernel(kernel or "", text), dilation)

    def is_pooled(self, site: Site) -> bool:
        """Whether the stride is left to a max pool."""
        return self.dilation > 1 and site.stride > 1

    def build(self, site: Site) -> nn.Module:
        from popnas import layers

        layer = self.layer(site, 1 if self.is_pooled(site) else site.stride)
        return layers.chain(
            layer, layers.MaxPool(site.num_dims, site.stride, site.stride) if self.is_pooled(site) else None
        )

    def cost(self, site: Site) -> Cost:
        """That of the layer, at the input's size where a pool brings the stride."""
        return self.layer_cost(site, site.size if self.is_pooled(site) else site.out_size)

    @abstractmethod
    def layer(self, site: Site, stride: int) -> nn.Module:
        """The convolution itself."""

    @abstractmethod
    def layer_cost(self, site: Site, out_size: tuple[int, ...]) -> Cost:
        """The cost of `layer` with outputs of that size."""
