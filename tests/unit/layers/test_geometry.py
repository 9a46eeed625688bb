"""Where windows lie: convolutions and pools against loops in Python, at small sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from popnas.layers import (
    AvgPool,
    Convolution,
    MaxPool,
    PatchAverage,
    TransposeConvBNAct,
    TransposeUpsample,
    Upsample,
    same_padding,
    shrink_lengths,
)


def _windows(length: int, kernel: int, stride: int, dilation: int = 1) -> list[list[int]]:
    """Positions inside the input of each window: (k-1)//2 before the centre and k//2 after, dilated."""
    before = ((kernel - 1) * dilation) // 2
    starts = [centre - before for centre in range(0, length, stride)]
    return [[p for tap in range(kernel) if 0 <= (p := start + tap * dilation) < length] for start in starts]


def _pool_reference(
    x_HW: Tensor, kernel: tuple[int, int], stride: int, reduce: Callable[[Tensor], Tensor]
) -> Tensor:
    rows, columns = (_windows(n, k, stride) for n, k in zip(x_HW.shape, kernel, strict=True))
    return torch.stack([torch.stack([reduce(x_HW[row][:, column]) for column in columns]) for row in rows])


@pytest.mark.parametrize(
    ("kernel", "dilation", "expected"), [(3, 1, (1, 1)), (2, 1, (0, 1)), (3, 2, (2, 2)), (2, 3, (1, 2))]
)
def test_same_padding(kernel: int, dilation: int, expected: tuple[int, int]) -> None:
    assert same_padding(kernel, dilation) == expected


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    stride=st.sampled_from([1, 2, 3, 4]),
)
def test_pools_of_images(height: int, width: int, kernel: tuple[int, int], stride: int) -> None:
    x_HW = torch.randn(height, width, generator=torch.Generator().manual_seed(height * 10 + width)) - 3.0
    x_BCHW = x_HW.expand(2, 3, height, width)
    for layer, reduce in ((MaxPool, torch.max), (AvgPool, torch.mean)):
        expected = _pool_reference(x_HW, kernel, stride, reduce)
        for memory_format in (torch.contiguous_format, torch.channels_last):
            y_BCHW = layer(2, kernel, stride)(x_BCHW.contiguous(memory_format=memory_format))
            torch.testing.assert_close(y_BCHW, expected.expand_as(y_BCHW))


def test_pools_of_series() -> None:
    for kernel, stride, length in itertools.product((1, 2, 3, 4, 8), (1, 2, 4, 8), (1, 2, 3, 7, 8, 9, 16)):
        x_L = torch.randn(length, generator=torch.Generator().manual_seed(length)) - 3.0
        windows = _windows(length, kernel, stride)
        highest = torch.stack([x_L[window].max() for window in windows])
        mean = torch.stack([x_L[window].mean() for window in windows])
        torch.testing.assert_close(MaxPool(1, kernel, stride)(x_L[None, None])[0, 0], highest)
        torch.testing.assert_close(AvgPool(1, kernel, stride)(x_L[None, None])[0, 0], mean)


def test_convolutions() -> None:
    for kernel, stride, dilation, length in itertools.product(
        (1, 2, 3, 4, 7), (1, 2, 4), (1, 2, 3), (1, 2, 5, 8)
    ):
        layer = Convolution(1, 1, 1, kernel, stride=stride, dilation=dilation)
        x_L = torch.randn(length)
        taps = layer.weight.detach().flatten()
        before = same_padding(kernel, dilation)[0]
        expected = [
            sum(
                (
                    taps[tap] * x_L[position]
                    for tap in range(kernel)
                    if 0 <= (position := centre - before + tap * dilation) < length
                ),
                start=torch.zeros(()),
            )
            for centre in range(0, length, stride)
        ]
        y_L = layer(x_L[None, None, None])[0, 0, 0].detach()
        torch.testing.assert_close(y_L, torch.stack(expected))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_transpose_convolution_mirrors_the_strided_one(kernel: int, length: int) -> None:
    """Same weights, so <conv(y), x> = <y, transpose(x)> for all x, y."""
    transpose = TransposeConvBNAct(1, 2, 3, kernel, stride=2).convolution
    forward = Convolution(1, 3, 2, kernel, stride=2)
    forward.weight.data.copy_(transpose.weight.data)
    x, y = torch.randn(1, 2, 1, length), torch.randn(1, 3, 1, 2 * length)
    assert transpose(x).shape == y.shape
    torch.testing.assert_close((forward(y) * x).sum(), (y * transpose(x)).sum(), rtol=1e-4, atol=1e-5)


def test_patch_average_counts_the_short_patch_by_its_own_length() -> None:
    x = torch.tensor([[[1.0, 3.0, 5.0, 7.0, 20.0]]])
    assert PatchAverage(1, 2)(x).tolist() == [[[2.0, 6.0, 20.0]]]
    assert PatchAverage(1, 9)(x).tolist() == [[[pytest.approx(7.2)]]]
    assert PatchAverage(2, 2)(torch.ones(1, 1, 3, 5)).tolist() == [[[[1.0] * 3] * 2]]


def test_upsample_interpolates_and_crops() -> None:
    x = torch.tensor([[[0.0, 4.0]]])
    assert Upsample(1, 2)(x, (3,)).tolist() == [[[0.0, 1.0, 3.0]]]
    y = Upsample(2, 4)(torch.full((1, 2, 2, 3), 5.0), (7, 12))
    assert y.shape == (1, 2, 7, 12) and torch.all(y == 5.0)


def test_transpose_upsample_reaches_the_size() -> None:
    layer = TransposeUpsample(2, 3, 5, 2)
    assert layer(torch.randn(2, 3, 4, 5), (7, 10)).shape == (2, 5, 7, 10)
    assert TransposeUpsample(1, 3, 5, 4)(torch.randn(2, 3, 4), (13,)).shape == (2, 5, 13)


def test_lengths_shrink_rounding_up() -> None:
    assert shrink_lengths(torch.tensor([1, 4, 5, 8, 9]), 4).tolist() == [1, 1, 2, 2, 3]
