"""The two modules that every other layer is made of.

`x_BCHW`: batch, channels, height, width; `x_BCL`: length.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def per_axis(value: int | Sequence[int], num_dims: int) -> tuple[int, int]:
    """A kernel, stride or factor as (height, width); a series has height 1, so its height axis gets 1."""
    values = (value,) * num_dims if isinstance(value, int) else tuple(value)
    assert len(values) == num_dims, f"{num_dims} values expected, got {values}"
    return (1, values[0]) if num_dims == 1 else (values[0], values[1])


class Layer(nn.Module):
    """A layer for images (B, C, H, W) and series (B, C, L).

    A series is an image of height 1 inside: oneDNN's two-dimensional channels-last kernels are 1.3 to 3 times
    faster than what a three-dimensional tensor gets. A network may therefore hand over series as (B, C, 1, L)
    as well, which spares the views. Subclasses define `_on_map`. The layout (contiguous or channels last)
    follows the input's.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return self._on_map(x.unsqueeze(2)).squeeze(2)
        return self._on_map(x)

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        raise NotImplementedError


class Chain(Layer):
    """Layers one after the other, the view of a series made once."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        for layer in self.layers:
            x_BCHW = layer(x_BCHW)
        return x_BCHW


def chain(*layers: nn.Module | None) -> nn.Module:
    """The layers that are not None as one module.

    `nn.Identity` for none, the layer itself for one, else a `Chain`.
    """
    present = [layer for layer in layers if layer is not None]
    if not present:
        return nn.Identity()
    return present[0] if len(present) == 1 else Chain(*present)
