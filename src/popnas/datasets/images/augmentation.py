"""Augmentation of a whole batch of images at once, on the device that holds it.

Moved by up to an eighth of each side, mirrored at the edges; flipped horizontally; and cutout (DeVries and
Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017: a square of half the
image's side, which may reach over the edge).

Images are moved by whole pixels and keep their size: crops of enlarged ones are blurred, and the network is
asked about sharp ones (an upscale of 12.5 % cost 11 points of accuracy at 28 pixels, 35 at 8; `docs/log.md`).

Axes: B batch, C channels, H W the network's input size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from popnas.placement import sent

_MOVED_SHARE = 1 / 8
_CUTOUT_SHARE = 0.5


class Draws(NamedTuple):
    """The random choices for n images, each (n,) or (n, 2); drawn on the CPU, so that every device sees the
    same ones. `offset`: pixels down and to the right at which each begins, negative: beyond its edge.
    """

    offset: Tensor
    is_flipped: Tensor
    cutout_centre: Tensor | None

    def to(self, device: torch.device) -> Draws:
        """The same choices on `device`."""
        centre = None if self.cutout_centre is None else sent(self.cutout_centre, device)
        return Draws(sent(self.offset, device), sent(self.is_flipped, device), centre)

    def part(self, start: int, stop: int) -> Draws:
        """The choices for the images `start` to `stop`."""
        centre = None if self.cutout_centre is None else self.cutout_centre[start:stop]
        return Draws(self.offset[start:stop], self.is_flipped[start:stop], centre)


@dataclass(frozen=True)
class ImageAugmentation:
    """Images of one size moved at random, and flip and cutout if asked for."""

    use_cutout: bool = False
    flips: bool = True

    def draw(self, num_images: int, size: tuple[int, int], generator: torch.Generator) -> Draws:
        """The random choices of an epoch for images whose network input has the `size` (h, w)."""
        offset = torch.stack(
            [
                torch.randint(-most, most + 1, (num_images,), generator=generator)
                for most in map(_farthest, size)
            ],
            dim=1,
        )
        is_flipped = (torch.rand(num_images, generator=generator) < 0.5) & self.flips
        centre = (
            torch.rand(num_images, 2, generator=generator) * torch.tensor(size) if self.use_cutout else None
        )
        return Draws(offset, is_flipped, centre)

    def apply(self, x_BCHW: Tensor, draws: Draws) -> Tensor:
        """Bytes to augmented bytes of the same shape.

        Whole rows are picked first, then columns (in reverse where flipped), and cutout is a product: a third
        of the time of indexing windows, `torch.where` and `masked_fill`.
        """
        num_images, num_channels, height, width = x_BCHW.shape
        device = x_BCHW.device
        planes_BC1 = torch.arange(num_images * num_channels, device=device).view(num_images, num_channels, 1)
        rows_B1H = _mirrored(draws.offset[:, :1] + torch.arange(height, device=device), height)[:, None]
        picked = x_BCHW.flatten(0, 2).index_select(0, (planes_BC1 * height + rows_B1H).flatten())
        columns_W = torch.arange(width, device=device)
        columns_BW = draws.offset[:, 1:] + torch.where(
            draws.is_flipped[:, None], columns_W.flip(0), columns_W
        )
        columns_BCHW = _mirrored(columns_BW, width)[:, None, None].expand(-1, num_channels, height, -1)
        moved_BCHW = picked.view(x_BCHW.shape).gather(3, columns_BCHW)
        if draws.cutout_centre is not None:
            moved_BCHW.mul_(~_squares(draws.cutout_centre, (height, width)))
        return moved_BCHW


def _farthest(extent: int) -> int:
    """By how many pixels a side of `extent` pixels is moved at most; mirrors show each pixel once."""
    return min(math.ceil(extent * _MOVED_SHARE), extent - 1)


def _mirrored(places: Tensor, extent: int) -> Tensor:
    """Places beyond either edge as those that a mirror on the outermost pixel shows there."""
    last = extent - 1
    return last - (last - places.abs()).abs()


def _squares(centre_B2: Tensor, size: tuple[int, int]) -> Tensor:
    """Where the cutouts lie, (B, 1, H, W)."""
    inside = [
        (torch.arange(extent, device=centre_B2.device) + 0.5 - centre_B2[:, axis, None]).abs()
        <= extent * _CUTOUT_SHARE / 2
        for axis, extent in enumerate(size)
    ]
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
