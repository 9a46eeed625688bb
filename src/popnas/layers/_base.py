"""The two modules that every other layer is made of.

`x_BCHW`: batch, channels, height, width; `x_BCL`: length.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from popnas.layers.ends import Ends


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

    Series of unequal lengths come with their `ends`; the map is zero behind them, and so is what comes out.
    Subclasses define `ends_after` if the size changes, and `_before_ends` if they look at several positions
    in another way than a convolution, to which zeros behind the end are what its own padding is.
    """

    def forward(self, x: Tensor, ends: Ends | None = None) -> Tensor:
        if x.dim() == 3:
            return self.forward(x.unsqueeze(2), ends).squeeze(2)
        return self._on_map(x) if ends is None else self._before_ends(x, ends)

    def ends_after(self, ends: Ends) -> Ends:
        """Where what comes out ends."""
        return ends

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        raise NotImplementedError

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        return self.ends_after(ends).cut(self._on_map(x_BC1L))


class Chain(Layer):
    """Layers one after the other, the view of a series made once."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        for layer in self.layers:
            x_BCHW = layer(x_BCHW)
        return x_BCHW

    def ends_after(self, ends: Ends) -> Ends:
        """See `Layer`."""
        for layer in self.layers:
            ends = ends_after(layer, ends)
        return ends

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        for layer in self.layers:
            after = ends_after(layer, ends)
            x_BC1L, ends = through(layer, x_BC1L, ends, after), after
        return x_BC1L


def ends_after(layer: nn.Module, ends: Ends) -> Ends:
    """Where what comes out of a layer ends; one that knows nothing of ends is taken to keep the size."""
    return layer.ends_after(ends) if isinstance(layer, Layer) else ends


def through(layer: nn.Module, x: Tensor, ends: Ends | None, after: Ends | None) -> Tensor:
    """A map through any layer; what one that knows nothing of ends makes is cut where it ends `after`."""
    if ends is None or after is None:
        return layer(x)
    if isinstance(layer, Layer):
        return layer(x, ends)
    return x if isinstance(layer, nn.Identity) else after.cut(layer(x))


def chain(*layers: nn.Module | None) -> nn.Module:
    """The layers that are not None as one module.

    `nn.Identity` for none, the layer itself for one, else a `Chain`.
    """
    present = [layer for layer in layers if layer is not None]
    if not present:
        return nn.Identity()
    return present[0] if len(present) == 1 else Chain(*present)
