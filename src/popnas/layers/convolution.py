"""Convolutions with "same" padding, batch normalisation and activation.

"Same": (k-1)//2 before and k//2 after, k being the dilated kernel, whatever stride and size, so that the
output has ceil(n / stride) positions. An even kernel is thus padded one more after than before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from popnas.layers._base import Layer, per_axis
from popnas.layers.activations import activation as make_activation
from popnas.layers.ends import Ends
from popnas.layers.initialization import init_convolution_, init_transpose_convolution_
from popnas.layers.portion import AcrossExamples, Portion, SharedNormalisation, shared_statistics

BN_MOMENTUM = 0.1
BN_EPS = 1e-5


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """(before, after) of a kernel of `kernel` taps, `dilation` apart."""
    extent = (kernel - 1) * dilation + 1
    return (extent - 1) // 2, extent // 2


class BatchNorm(Layer, AcrossExamples):
    """Batch normalisation over the batch and all positions (of series: before their ends), momentum 0.1, eps
    1e-5. Of a batch that several processes share the statistics are those of all its examples.

    Unlike `nn.BatchNorm*d` it takes any number of dimensions, does not count batches (a tensor operation per
    call that nothing reads), and a training batch with one value per channel (the rest of a data set on a 1x1
    map), where no variance exists, is normalised by the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, ends: Ends | None = None) -> Tensor:
        """(B, C, ...) -> the same shape."""
        return self.normalised(x) if ends is None else ends.cut(self.normalised(x, ends))

    def normalised(self, x: Tensor, ends: Ends | None = None) -> Tensor:
        """As `forward`; behind the ends stands anything, for a layer that goes on and cuts then."""
        if self.training and self.shared is not None:
            return self._by_all_processes(x, None if ends is None else ends.mask(x), self.shared)
        if ends is not None and self.training:
            return self._by_what_lies_before(ends, x)
        is_batch_used = self.training and x.numel() > x.shape[1]
        # In ATen's order, statistics last: `functional.batch_norm` would add a size check of its own.
        statistics = (self.running_mean, self.running_var)
        return torch.batch_norm(
            x, self.weight, self.bias, *statistics, is_batch_used, BN_MOMENTUM, BN_EPS, True
        )

    def _by_all_processes(self, x: Tensor, mask: Tensor | None, portion: Portion) -> Tensor:
        """A shared batch has an example for each process at least, so there always is a variance."""
        mask = None if mask is None else mask.float()
        mean_C, variance_C, count = shared_statistics(x, mask, portion)
        with torch.no_grad():
            self.running_mean.lerp_(mean_C, BN_MOMENTUM)
            self.running_var.lerp_(variance_C * count / (count - 1), BN_MOMENTUM)
        scale_C = torch.rsqrt(variance_C + BN_EPS)
        normalised: Tensor = SharedNormalisation.apply(
            x, self.weight, self.bias, mean_C, scale_C, count, mask, portion.total
        )
        return normalised

    def _by_what_lies_before(self, ends: Ends, x_BC1L: Tensor) -> Tensor:
        """Padding does not count in the statistics: else what is learnt would depend on the longest series.

        In float32, as ATen has statistics; without a question to the device (how many values there are).
        """
        x, count = x_BC1L.float(), ends.num_positions
        mask_B11L = ends.mask(x)
        mean_C = (x * mask_B11L).sum((0, 2, 3)) / count
        mean_C = torch.where(count > 1, mean_C, self.running_mean)
        centred = (x - mean_C[:, None, None]) * mask_B11L
        variance_C = centred.square().sum((0, 2, 3)) / count
        variance_C = torch.where(count > 1, variance_C, self.running_var)
        with torch.no_grad():
            unbiased_C = torch.where(count > 1, variance_C * count / (count - 1), variance_C)
            self.running_mean.lerp_(mean_C, BN_MOMENTUM)
            self.running_var.lerp_(unbiased_C, BN_MOMENTUM)
        scale_C = self.weight * torch.rsqrt(variance_C + BN_EPS)
        y = torch.addcmul(self.bias[:, None, None], centred, scale_C[:, None, None])
        return y.to(x_BC1L.dtype)

    def extra_repr(self) -> str:
        """The number of channels."""
        return str(self.weight.shape[0])


class Convolution(nn.Conv2d):
    """A convolution without bias and with "same" padding on (B, C, H, W), a series having height 1.

    In mixed precision on a CPU those with groups compute in float32: oneDNN's weight gradient of a depthwise
    5x5 or 7x7 takes three to six times as long in bfloat16 (see docs/log.md), where dense ones gain as much.
    """

    has_bias: ClassVar[bool] = False

    def __init__(
        self,
        num_dims: int,
        in_channels: int,
        out_channels: int,
        kernel: int | Sequence[int],
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        kernel_HW, dilation_HW = per_axis(kernel, num_dims), per_axis(dilation, num_dims)
        before_H, after_H = same_padding(kernel_HW[0], dilation_HW[0])
        before_W, after_W = same_padding(kernel_HW[1], dilation_HW[1])
        stride_HW = per_axis(stride, num_dims)
        # oneDNN's weight gradient of a strided 1x1 convolution writes outside its memory where maps are
        # channels-last and large (seen with torch 2.13, 96x96): the positions are picked before instead.
        self.picked = stride_HW if kernel_HW == (1, 1) and max(stride_HW) > 1 else None
        super().__init__(
            in_channels,
            out_channels,
            kernel_HW,
            stride=stride_HW if self.picked is None else 1,
            padding=(before_H, before_W),
            dilation=dilation_HW,
            groups=groups,
            bias=self.has_bias,
        )
        # Both sides are padded inside the convolution; what an even kernel has more after, in `forward`.
        self.extra_after = (0, after_W - before_W, 0, after_H - before_H)

    def reset_parameters(self) -> None:
        """He uniform; `nn.Conv2d` calls this when it is made."""
        init_convolution_(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, ceil(H / stride), ceil(W / stride))."""
        if any(self.extra_after):
            x_BCHW = functional.pad(x_BCHW, self.extra_after)
        if self.picked is not None:  # by a pool of one position: the gradient of a slice takes twice as long
            x_BCHW = functional.avg_pool2d(x_BCHW, 1, self.picked)
        if self.groups > 1 and x_BCHW.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x_BCHW.float())
        return super().forward(x_BCHW)


class BiasedConvolution(Convolution):
    """With a bias, where no batch normalisation follows."""

    has_bias: ClassVar[bool] = True


class _BNActLayer(Layer):
    """What ends in batch normalisation and an activation; subclasses define `_convolved`."""

    norm: BatchNorm
    activation: nn.Module

    def _convolved(self, x_BCHW: Tensor) -> Tensor:
        raise NotImplementedError

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        return self.activation(self.norm(self._convolved(x_BCHW)))

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        after = self.ends_after(ends)
        return after.cut(self.activation(self.norm.normalised(self._convolved(x_BC1L), after)))


class ConvBNAct(_BNActLayer):
    """Convolution without bias, batch normalisation, activation: (B, in, *size) -> (B, out, *ceil(size /
    stride)).

    `kernel` is an int or one per axis; `activation` is a Keras name, None for none.
    """

    def __init__(
        self,
        num_dims: int,
        in_channels: int,
        out_channels: int,
        kernel: int | Sequence[int] = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        activation: str | None = "swish",
    ) -> None:
        super().__init__()
        self.convolution = Convolution(
            num_dims, in_channels, out_channels, kernel, stride=stride, dilation=dilation
        )
        self.norm = BatchNorm(out_channels)
        self.activation = nn.Identity() if activation is None else make_activation(activation)
        self.stride = stride

    def _convolved(self, x_BCHW: Tensor) -> Tensor:
        return self.convolution(x_BCHW)

    def ends_after(self, ends: Ends) -> Ends:
        """See `Layer`."""
        return ends.shrunk(self.stride)


class SeparableConvBNAct(_BNActLayer):
    """Depthwise and pointwise convolution with nothing between them, BN, activation."""

    def __init__(
        self,
        num_dims: int,
        in_channels: int,
        out_channels: int,
        kernel: int | Sequence[int],
        *,
        stride: int = 1,
        dilation: int = 1,
        activation: str = "swish",
    ) -> None:
        super().__init__()
        self.depthwise = Convolution(
            num_dims, in_channels, in_channels, kernel, stride=stride, dilation=dilation, groups=in_channels
        )
        self.pointwise = Convolution(num_dims, in_channels, out_channels, 1)
        self.norm = BatchNorm(out_channels)
        self.activation = make_activation(activation)
        self.stride = stride

    def _convolved(self, x_BCHW: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x_BCHW))

    def ends_after(self, ends: Ends) -> Ends:
        """See `Layer`."""
        return ends.shrunk(self.stride)


class TransposeConvBNAct(_BNActLayer):
    """Transpose convolution without bias to exactly `stride` times the size, BN, activation.

    It is the transpose of a "same" convolution of that stride: of the full output, (k-1)//2 positions are cut
    before and, to reach stride x n, the rest after; where the kernel is shorter than the stride, zeros are
    added after.
    """

    def __init__(
        self,
        num_dims: int,
        in_channels: int,
        out_channels: int,
        kernel: int | Sequence[int],
        *,
        stride: int,
        activation: str = "swish",
    ) -> None:
        super().__init__()
        kernel_HW, stride_HW = per_axis(kernel, num_dims), per_axis(stride, num_dims)
        paddings = [_transpose_padding(k, s) for k, s in zip(kernel_HW, stride_HW, strict=True)]
        self.convolution = nn.ConvTranspose2d(
            in_channels,
            out_channels,
            kernel_HW,
            stride=stride_HW,
            padding=(paddings[0][0], paddings[1][0]),
            output_padding=(paddings[0][1], paddings[1][1]),
            bias=False,
        )
        init_transpose_convolution_(self.convolution)
        self.norm = BatchNorm(out_channels)
        self.activation = make_activation(activation)
        self.stride = stride

    def _convolved(self, x_BCHW: Tensor) -> Tensor:
        return self.convolution(x_BCHW)

    def ends_after(self, ends: Ends) -> Ends:
        """See `Layer`."""
        return ends.stretched(self.stride)


def _transpose_padding(kernel: int, stride: int) -> tuple[int, int]:
    """(padding, output_padding) such that n positions become exactly stride x n: (n-1)s + k - 2p + o = s n.

    p is as near (k-1)//2 as that allows: for stride 2 exactly it, for kernel = stride 0.
    """
    excess = kernel - stride
    padding = max(0, (excess + 1) // 2)
    return padding, 2 * padding - excess
