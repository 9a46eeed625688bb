"""Batches of which several processes hold a part each, for layers that look across examples.

Batch normalisation takes its statistics from the whole batch and random layers draw for all of it, so that a
network that is trained by several processes is the one that a single process trains, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional


class Portion:
    """Which part of the batch at hand this process holds: examples from `first` on, of `num_all`; `number` is
    its own, of `size` processes. `total(x)` is the sum of equally shaped `x` of all of them, in each.

    `is_shared`: else each holds the whole batch, and nothing is to be summed.
    """

    def __init__(self, number: int, size: int, total: Callable[[Tensor], Tensor]) -> None:
        self.number, self.size, self.total = number, size, total
        self.first, self.num_all, self.is_shared = 0, 0, False

    def __deepcopy__(self, _: Any) -> Self:
        """A copy of a network is of the same processes."""
        return self

    def gathered(self, x: Tensor) -> Tensor:
        """The `x` of all processes, (size, *shape)."""
        rows = x.new_zeros((self.size, *x.shape))
        rows[self.number] = x
        return self.total(rows)

    def mine(self, drawn: Tensor, num_mine: int, dim: int = 0) -> Tensor:
        """Of what was drawn for all examples that of this process's."""
        return drawn.narrow(dim, self.first, num_mine)


class AcrossExamples(nn.Module):
    """A layer whose results for an example depend on the batch that it is in, or on its place there."""

    portion: Portion | None = None
    """None: the batch is this process's own."""
    is_across_examples: ClassVar[bool] = True

    @property
    def shared(self) -> Portion | None:
        """The portion of a batch that is shared, None otherwise."""
        return self.portion if self.portion is not None and self.portion.is_shared else None


def set_portion(modules: Iterable[nn.Module], portion: Portion | None) -> None:
    """Let those of the modules that look across examples know of it, e.g. of `network.modules()`."""
    for module in modules:
        if isinstance(module, AcrossExamples):
            module.portion = portion


class Dropout(AcrossExamples):
    """Each value with probability `p` set to zero in training, the others made larger, as `nn.Dropout`."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> the same shape."""
        portion = self.shared
        if portion is None or not self.training:
            return functional.dropout(x, self.p, self.training)
        whole = functional.dropout(_ones_laid_out_as(x, portion.num_all), self.p)
        return x * portion.mine(whole, len(x))

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


def _ones_laid_out_as(x: Tensor, num_examples: int) -> Tensor:
    """For so many examples: what is drawn for a value goes by where it lies in memory."""
    is_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    ones = x.new_ones((num_examples, *x.shape[1:]))
    return ones.contiguous(memory_format=torch.channels_last) if is_last else ones


class SharedNormalisation(torch.autograd.Function):
    """Batch normalisation by the statistics of all processes' examples, (Ioffe and Szegedy 2015) with its
    gradient summed over them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *given: Any) -> Tensor:
        """(B, C, ...) -> the same shape; `given`: weight (C,), bias (C,), mean (C,) and 1 / deviation (C,) of
        all, the count () that these are of, a mask of the values that count or None, `Portion.total`."""
        weight, bias, mean, scale, count, mask, total = given
        ctx.save_for_backward(x, weight, mean, scale, count, mask)
        ctx.total = total
        shape = (1, -1, *[1] * (x.dim() - 2))
        standard = (x.float() - mean.view(shape)) * scale.view(shape)
        if mask is not None:
            standard = standard * mask
        return (standard * weight.view(shape) + bias.view(shape)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Of the loss that is the sum of all processes' losses; weight's and bias's own share."""
        x, weight, mean, scale, count, mask = ctx.saved_tensors
        gradient = gradients[0].float()
        shape, others = (1, -1, *[1] * (x.dim() - 2)), [0, *range(2, x.dim())]
        standard = (x.float() - mean.view(shape)) * scale.view(shape)
        if mask is not None:
            standard = standard * mask
        of_bias = gradient.sum(others)
        of_weight = (gradient * standard).sum(others)
        before = of_bias if mask is None else (gradient * mask).sum(others)
        sums = ctx.total(torch.stack([before, of_weight])) / count
        of_x = gradient - sums[0].view(shape) - standard * sums[1].view(shape)
        if mask is not None:
            of_x = of_x * mask
        of_x = of_x * (weight * scale).view(shape)
        return of_x.to(x.dtype), of_weight, of_bias, None, None, None, None, None


@torch.no_grad()
def shared_statistics(x: Tensor, mask: Tensor | None, portion: Portion) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), variance (C,) (not corrected) and count () of all processes' values, of those alone where
    `mask` is 1; float32.

    Of each process's own mean and deviations, which loses less to rounding than sums of squares (Chan,
    Golub and LeVeque 1983).
    """
    others, values = [0, *range(2, x.dim())], x.float()
    if mask is None:
        count = values.new_full((1,), values.numel() / values.shape[1])
        mean_C = values.mean(others)
        deviations_C = values.var(others, correction=0) * count
    else:
        count = mask.sum().reshape(1).float()
        shape = (1, -1, *[1] * (x.dim() - 2))
        mean_C = (values * mask).sum(others) / count.clamp(min=1)
        deviations_C = ((values - mean_C.view(shape)) * mask).square().sum(others)
    rows = portion.gathered(torch.cat([count, mean_C, deviations_C]))
    count_R1, mean_RC, deviations_RC = rows.split([1, len(mean_C), len(mean_C)], dim=1)
    count_all = count_R1.sum()
    mean_all = (mean_RC * count_R1).sum(0) / count_all
    between_C = (count_R1 * (mean_RC - mean_all).square()).sum(0)
    return mean_all, (deviations_RC.sum(0) + between_C) / count_all, count_all
