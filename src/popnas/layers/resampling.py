"""Bringing maps up.

Bilinear (series: linear) interpolation, and a learnt transpose convolution; both cropped to a size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from popnas.layers._base import Layer, ends_after, per_axis, through
from popnas.layers.convolution import TransposeConvBNAct
from popnas.layers.ends import Ends, mean_before_ends


def crop(x_BCHW: Tensor, size: Sequence[int]) -> Tensor:
    """The first `size` positions of each axis."""
    height, width = size
    if is_recorded():
        return x_BCHW[:, :, :height, :width]
    excess_H, excess_W = x_BCHW.shape[2] - height, x_BCHW.shape[3] - width
    return cut(x_BCHW, (0, 0), (excess_H, excess_W)) if excess_H or excess_W else x_BCHW


def cut(x_BCHW: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
    """Without so many positions before and after, per axis.

    By negative padding: slicing leaves a map with holes in memory and fills two whole maps with zeros in the
    backward pass, 2 to 5 times the time of the pool before it.
    """
    return functional.pad(x_BCHW, (-before[1], -after[1], -before[0], -after[0]))


def is_recorded() -> bool:
    """Whether a graph is being made of this call, in which sizes are not numbers and no branch may depend on
    them.
    """
    return torch.jit.is_tracing() or torch.compiler.is_compiling()


def strided_size(size: Sequence[int], strides: Sequence[int]) -> list[int]:
    """ceil(n / stride) per axis.

    Not as -(-n // stride): ONNX's division of a negative integer truncates, where Python's rounds down.
    """
    return [(n + stride - 1) // stride for n, stride in zip(size, strides, strict=True)]


class _Upsampling(nn.Module):
    """`forward(x, size)`: up by a factor, then cropped to `size` (one int per spatial axis of `x`); series of
    unequal lengths are cut where they end `after` it.
    """

    def _enlarge(self, x_BCHW: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor, size: Sequence[int], after: Ends | None = None) -> Tensor:
        if x.dim() == 3:
            return self.forward(x.unsqueeze(2), (1, *size), after).squeeze(2)
        y_BCHW = crop(self._enlarge(x), size)
        return y_BCHW if after is None else after.cut(y_BCHW)


class Upsample(_Upsampling):
    """Bilinear interpolation by a whole factor (half-pixel centres), cropped."""

    def __init__(self, num_dims: int, factor: int) -> None:
        super().__init__()
        self.factor = tuple(float(f) for f in per_axis(factor, num_dims))

    def _enlarge(self, x_BCHW: Tensor) -> Tensor:
        return functional.interpolate(x_BCHW, scale_factor=self.factor, mode="bilinear", align_corners=False)


class TransposeUpsample(_Upsampling):
    """Transpose conv-BN-act with kernel = stride = ratio, cropped.

    (B, in, *n) -> (B, out, *size), size <= ratio x n.
    """

    def __init__(
        self, num_dims: int, in_channels: int, out_channels: int, ratio: int, activation: str = "swish"
    ) -> None:
        super().__init__()
        self.transpose = TransposeConvBNAct(
            num_dims, in_channels, out_channels, ratio, stride=ratio, activation=activation
        )

    def _enlarge(self, x_BCHW: Tensor) -> Tensor:
        return self.transpose(x_BCHW)


class PatchAverage(Layer):
    """Mean over patches of `factor` positions from the start, the last one as short as it comes.

    Size ceil(n / factor).
    """

    def __init__(self, num_dims: int, factor: int) -> None:
        super().__init__()
        self.factor = per_axis(factor, num_dims)

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        return functional.avg_pool2d(x_BCHW, self.factor, self.factor, 0, True, count_include_pad=False)

    def ends_after(self, ends: Ends) -> Ends:
        """See `Layer`."""
        return ends.shrunk(self.factor[1])

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        return mean_before_ends(self._on_map, x_BC1L, ends, self.ends_after(ends))


class Zoomed(Layer):
    """`body` applied to the map averaged down by `factor`, the result brought up again (operator zconv).

    `stride` is the body's; the output has exactly ceil(n / stride) positions per axis.
    """

    def __init__(self, num_dims: int, body: nn.Module, factor: int, stride: int) -> None:
        super().__init__()
        self.down, self.body, self.up = PatchAverage(num_dims, factor), body, Upsample(num_dims, factor)
        self.stride = per_axis(stride, num_dims)

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        return self.up(self.body(self.down(x_BCHW)), strided_size(x_BCHW.shape[2:], self.stride))

    def ends_after(self, ends: Ends) -> Ends:
        """See `Layer`."""
        return ends.shrunk(self.stride[1])

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        low = ends_after(self.down, ends)
        lower = ends_after(self.body, low)
        y_BC1L = through(self.body, self.down(x_BC1L, ends), low, lower)
        size = strided_size(x_BC1L.shape[2:], self.stride)
        return self.ends_after(ends).cut(self.up(lower.prolonged(y_BC1L), size))
