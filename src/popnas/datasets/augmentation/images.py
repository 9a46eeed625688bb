"""Augmentation of a whole batch of images at once that needs no tuning, on the device that holds it; the
masks of segmentation go with what moves pixels.

TrivialAugment (Mueller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
2021): one operation each, of any strength in its range. Random erasing (Zhong et al. 2020): a rectangle of
one colour.

Axes: B batch (N of those images that an operation is for), C channels, H W height and width. Images have
values in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from popnas.datasets.augmentation.batch import Batch
from popnas.placement import sent

_MOVING = 5
"""The first operations, which move pixels: shear and shift along both axes, rotation."""
_SHEAR, _SHIFT, _TURN = 0.3, 0.32, math.pi / 6
"""The strongest of them; a shift as a share of the side."""
_BLEND = 0.9
"""The furthest that brightness, colour, contrast and sharpness are taken from the image's own, which is 1."""
_FEWEST_BITS = 4
_LUMA = (0.299, 0.587, 0.114)
_AREA, _LOG_RATIO = (0.02, 0.33), math.log(3.3)
"""Of an erased rectangle: its share of the image, and how far its sides' ratio may be from 1."""


@dataclass(frozen=True)
class ImageChanges:
    """What is done to the images of a batch, each in a way of its own.

    Attributes:
        trivial_augment: one operation each, or none.
        erasing: the probability that a rectangle becomes one colour; masks keep what they say of it.
        unlabelled: what masks hold where an image was moved away.
    """

    trivial_augment: bool = False
    erasing: float = 0.0
    unlabelled: int = 255

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """See `batch.Change`."""
        if self.trivial_augment:
            batch = _augmented(batch, generator, self.unlabelled)
        if self.erasing:
            batch = batch._replace(x=_erased(batch.x, self.erasing, generator))
        return batch


def _augmented(batch: Batch, generator: torch.Generator, unlabelled: int) -> Batch:
    num_images, device = len(batch.x), batch.x.device
    chosen_B = torch.randint(1 + _MOVING + len(_COLOURING), (num_images,), generator=generator)
    strength_B = 2 * torch.rand(num_images, generator=generator) - 1
    # First those that are moved, whichever way, then those of each operation that colours, then all others.
    kind_B = (chosen_B - (_MOVING - 1)).clamp(min=0)
    order_B = kind_B.argsort(stable=True)
    num_moved, *nums_coloured, _ = kind_B.bincount(minlength=len(_COLOURING) + 2).tolist()
    at_B, strength_B111 = sent(order_B, device), sent(strength_B[order_B], device)[:, None, None, None]
    x_BCHW, y = batch.x, batch.y
    if num_moved:
        moved_N, at_N = order_B[:num_moved], at_B[:num_moved]
        affine_N23 = sent(_affine(chosen_B[moved_N], strength_B[moved_N], x_BCHW.shape[2:]), device)
        x_BCHW[at_N] = _moved(x_BCHW[at_N], affine_N23)
        if y.dim() == 3:  # counted from 1, so that 0 is what was moved away
            labels_N1HW = y[at_N][:, None].to(x_BCHW.dtype) + 1
            found_NHW = _moved(labels_N1HW, affine_N23, mode="nearest")[:, 0].to(y.dtype)
            y[at_N] = torch.where(found_NHW == 0, unlabelled, found_NHW - 1)
    start = num_moved
    for operation, number in zip(_COLOURING, nums_coloured, strict=True):
        if number:
            at_N, strength_N111 = at_B[start : start + number], strength_B111[start : start + number]
            x_BCHW[at_N] = operation(x_BCHW[at_N], strength_N111).clamp_(0, 1)
        start += number
    return batch._replace(x=x_BCHW, y=y)


# --- what moves pixels


def _affine(chosen_N: Tensor, strength_N: Tensor, size: torch.Size) -> Tensor:
    """Of each image the map from its new places to its old ones, (N, 2, 3), as `affine_grid` takes it: in
    halves of the sides, from the centre."""

    def is_operation(number: int) -> Tensor:
        return (chosen_N == number) * strength_N

    height, width = size
    angle_N = _TURN * is_operation(4)
    cosine_N, sine_N = angle_N.cos(), angle_N.sin()
    affine_N23 = torch.zeros(len(chosen_N), 2, 3)
    affine_N23[:, 0, 0], affine_N23[:, 1, 1] = cosine_N, cosine_N
    affine_N23[:, 0, 1] = (_SHEAR * is_operation(0) - sine_N) * (height / width)
    affine_N23[:, 1, 0] = (_SHEAR * is_operation(1) + sine_N) * (width / height)
    affine_N23[:, 0, 2] = 2 * _SHIFT * is_operation(2)
    affine_N23[:, 1, 2] = 2 * _SHIFT * is_operation(3)
    return affine_N23


def _moved(x_NCHW: Tensor, affine_N23: Tensor, mode: str = "bilinear") -> Tensor:
    grid_NHW2 = functional.affine_grid(affine_N23, list(x_NCHW.shape), align_corners=False)
    return functional.grid_sample(x_NCHW, grid_NHW2, mode, "zeros", align_corners=False)


# --- what changes colours; `strength` (N, 1, 1, 1) in -1..1


def _blended(degenerate: Tensor, x_NCHW: Tensor, strength: Tensor) -> Tensor:
    return torch.lerp(degenerate, x_NCHW, 1 + _BLEND * strength)


def _brightness(x_NCHW: Tensor, strength: Tensor) -> Tensor:
    return x_NCHW * (1 + _BLEND * strength)


def _grey(x_NCHW: Tensor) -> Tensor:
    """(N, 1, H, W); of other than three channels their mean."""
    if x_NCHW.shape[1] != len(_LUMA):
        return x_NCHW.mean(1, keepdim=True)
    luma_C = torch.stack([x_NCHW.new_full((), weight) for weight in _LUMA])  # made there, not brought there
    return torch.einsum("nchw,c->nhw", x_NCHW, luma_C)[:, None]


def _colour(x_NCHW: Tensor, strength: Tensor) -> Tensor:
    return _blended(_grey(x_NCHW).expand_as(x_NCHW), x_NCHW, strength)


def _contrast(x_NCHW: Tensor, strength: Tensor) -> Tensor:
    return _blended(_grey(x_NCHW).mean((2, 3), keepdim=True).expand_as(x_NCHW), x_NCHW, strength)


def _sharpness(x_NCHW: Tensor, strength: Tensor) -> Tensor:
    smooth = functional.avg_pool2d(x_NCHW, 3, 1, 1, count_include_pad=False)
    return _blended(smooth, x_NCHW, strength)


def _posterize(x_NCHW: Tensor, strength: Tensor) -> Tensor:
    levels = 2 ** (_FEWEST_BITS + (8 - _FEWEST_BITS) * strength.abs()).floor()
    return (x_NCHW * 255 * levels / 256).floor() * (256 / levels) / 255


def _solarize(x_NCHW: Tensor, strength: Tensor) -> Tensor:
    return torch.where(x_NCHW >= strength.abs(), 1 - x_NCHW, x_NCHW)


def _auto_contrast(x_NCHW: Tensor, _strength: Tensor) -> Tensor:
    low, high = x_NCHW.amin((2, 3), keepdim=True), x_NCHW.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x_NCHW - low) / (high - low).clamp(min=1e-6), x_NCHW)


def _equalize(x_NCHW: Tensor, _strength: Tensor) -> Tensor:
    """As many pixels of each value as of any other, per channel."""
    values = (x_NCHW * 255).round().long().flatten(2)
    counts = values.new_zeros((*values.shape[:2], 256)).scatter_add_(2, values, torch.ones_like(values))
    ranks = counts.cumsum(2)
    of_lowest = counts.gather(2, values.amin(2, keepdim=True))
    spread = (values.shape[2] - of_lowest).clamp(min=1)
    found = (ranks - of_lowest).gather(2, values) / spread
    is_flat = of_lowest == values.shape[2]
    return torch.where(is_flat, x_NCHW.flatten(2), found).view_as(x_NCHW)


_COLOURING: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    *(_brightness, _colour, _contrast, _sharpness, _posterize, _solarize, _auto_contrast, _equalize),
)


# --- erasing


def _erased(x_BCHW: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    num_images, num_channels, height, width = x_BCHW.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(num_images, *shape, generator=generator)

    smallest, largest = _AREA
    area_B = smallest + (largest - smallest) * uniform()
    ratio_B = ((2 * uniform() - 1) * _LOG_RATIO).exp()
    is_erased_B = uniform() < probability
    inside = []
    for extent, share_B in ((height, (area_B * ratio_B).sqrt()), (width, (area_B / ratio_B).sqrt())):
        length_B = (share_B.clamp(max=1) * extent).round()
        start_B = (uniform() * (extent - length_B + 1)).floor()
        positions = torch.arange(extent)
        inside.append((positions >= start_B[:, None]) & (positions < (start_B + length_B)[:, None]))
    colour_BC11 = uniform(num_channels, 1, 1)
    rows_BH, columns_BW = (
        sent(is_erased_B[:, None] & inside[0], x_BCHW.device),
        sent(inside[1], x_BCHW.device),
    )
    is_inside_B1HW = (rows_BH[:, :, None] & columns_BW[:, None])[:, None]
    return torch.where(is_inside_B1HW, sent(colour_BC11, x_BCHW.device), x_BCHW)
