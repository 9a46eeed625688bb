"""Pools whose windows lie as those of the "same" convolutions, and averages over all positions.

A window reaches (k-1)//2 before and k//2 after its centre and counts only what lies inside the input. That is
had without padding with infinities (bad for quantisation) by pooling with symmetric padding and cropping:
- odd kernel: symmetric padding is already right;
- even kernel, stride 1: one position more than wanted comes first, and is cut;
- even kernel, stride s > 1: pad (k-1)//2 and use ceil mode, then cut what it makes beyond ceil(n / s).
Every window holds its centre, which lies inside the input, so none is empty, however small the input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from popnas.layers._base import Layer, per_axis
from popnas.layers.convolution import ConvBNAct
from popnas.layers.ends import Ends, mean_before_ends
from popnas.layers.resampling import crop, cut, strided_size


class _Pool(Layer):
    """(B, C, *size) -> (B, C, *ceil(size / stride))."""

    def __init__(self, num_dims: int, kernel: int | Sequence[int], stride: int = 1) -> None:
        super().__init__()
        self.kernel = per_axis(kernel, num_dims)
        self.stride = per_axis(stride, num_dims)
        axes = list(zip(self.kernel, self.stride, strict=True))
        self.padding = tuple(k // 2 if s == 1 else (k - 1) // 2 for k, s in axes)
        self.skip = tuple(int(k % 2 == 0 and s == 1) for k, s in axes)
        self.is_ceil = any(k % 2 == 0 and s > 1 for k, s in axes)
        # 2x2 with stride 2, by far the most frequent, is exact as it comes.
        self.is_cropped = self.is_ceil and any(s > 1 and (k, s) != (2, 2) for k, s in axes)

    def _pool(self, x_BCHW: Tensor) -> Tensor:
        raise NotImplementedError

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW = self._pool(x_BCHW)
        if any(self.skip):
            return cut(y_BCHW, self.skip, (0, 0))
        if self.is_cropped:
            return crop(y_BCHW, strided_size(x_BCHW.shape[2:], self.stride))
        return y_BCHW

    def ends_after(self, ends: Ends) -> Ends:
        """See `Layer`."""
        return ends.shrunk(self.stride[1])

    def extra_repr(self) -> str:
        """Kernel and stride."""
        return f"kernel={self.kernel}, stride={self.stride}"


class MaxPool(_Pool):
    """Maximum over the part of each window inside the input."""

    def _pool(self, x_BCHW: Tensor) -> Tensor:
        return functional.max_pool2d(x_BCHW, self.kernel, self.stride, self.padding, ceil_mode=self.is_ceil)

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        # The lowest number, not -inf, which times zero would be NaN behind the end.
        lowest = torch.finfo(x_BC1L.dtype).min
        y_BC1L = self._on_map(x_BC1L.masked_fill(ends.mask(x_BC1L) == 0, lowest))
        return y_BC1L.masked_fill(self.ends_after(ends).mask(y_BC1L) == 0, 0.0)


class AvgPool(_Pool):
    """Mean over the part of each window inside the input."""

    def _pool(self, x_BCHW: Tensor) -> Tensor:
        return functional.avg_pool2d(
            x_BCHW, self.kernel, self.stride, self.padding, self.is_ceil, count_include_pad=False
        )

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        return mean_before_ends(self._on_map, x_BC1L, ends, self.ends_after(ends))


def global_average(x: Tensor, ends: Ends | None = None) -> Tensor:
    """(B, C, *size) -> (B, C): the mean over all positions; with the `ends` of series, behind which (B, C, 1,
    L) is zero, over the positions before them.
    """
    if ends is None:
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
            # The gradient of a plain mean comes out in the other layout, and so does then what lies before
            # it: a fifth of a small network's step.
            return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)
        return x.mean(tuple(range(2, x.dim())))
    return x.sum((2, 3)) / ends.lengths_B.unsqueeze(1).clamp(min=1).to(x.dtype)


class ImagePooling(nn.Module):
    """Global average, pointwise conv-BN-act, spread over the input's size again.

    The image pooling of ASPP in DeepLab v3 (Chen et al. 2017).
    """

    def __init__(self, num_dims: int, in_channels: int, out_channels: int, activation: str = "swish") -> None:
        super().__init__()
        self.project = ConvBNAct(num_dims, in_channels, out_channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, *size) -> (B, out, *size)."""
        axes = tuple(range(2, x.dim()))
        pooled = self.project(x.mean(axes, keepdim=True))
        return pooled.expand(-1, -1, *x.shape[2:])
