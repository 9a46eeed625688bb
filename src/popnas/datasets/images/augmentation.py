"""Augmentation of a whole batch of images at once, on the device that holds it.

Random crop after an upscale of 12.5 %, horizontal flip, and cutout (DeVries and Taylor, "Improved
Regularization of Convolutional Neural Networks with Cutout", 2017: a square of half the image's side, which
may reach over the edge).

Axes: B batch, C channels, H W the network's input size, U V the upscaled size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_UPSCALE = 1.125
_CUTOUT_SHARE = 0.5
_CHUNK = 1024


class Draws(NamedTuple):
    """The random choices for n images, each (n,) or (n, 2); drawn on the CPU, so that every device sees the
    same ones.
    """

    offset: Tensor
    is_flipped: Tensor
    cutout_centre: Tensor | None

    def to(self, device: torch.device) -> Draws:
        """The same choices on `device`."""
        centre = None if self.cutout_centre is None else self.cutout_centre.to(device)
        return Draws(self.offset.to(device), self.is_flipped.to(device), centre)

    def part(self, start: int, stop: int) -> Draws:
        """The choices for the images `start` to `stop`."""
        centre = None if self.cutout_centre is None else self.cutout_centre[start:stop]
        return Draws(self.offset[start:stop], self.is_flipped[start:stop], centre)


@dataclass(frozen=True)
class ImageAugmentation:
    """Random crop of images of one size, and flip and cutout if asked for."""

    use_cutout: bool = False
    flips: bool = True

    def upscale(self, x_BCHW: Tensor) -> Tensor:
        """Bytes (B, C, H, W) to bytes (B, C, U, V), bilinear: the same for every epoch, so cached data do
        it once.
        """
        size = [math.ceil(extent * _UPSCALE) for extent in x_BCHW.shape[2:]]
        chunks = [
            functional.interpolate(chunk.float(), size=size, mode="bilinear", align_corners=False)
            .round_()
            .to(torch.uint8)
            for chunk in x_BCHW.split(_CHUNK)
        ]
        return torch.cat(chunks)

    def upscale_array(self, x_BCHW: np.ndarray) -> np.ndarray:
        """`upscale` of an array."""
        return self.upscale(torch.from_numpy(x_BCHW)).numpy()

    def draw(self, num_images: int, size: tuple[int, int], generator: torch.Generator) -> Draws:
        """The random choices of an epoch for images whose network input has the `size` (h, w)."""
        room = [math.ceil(extent * _UPSCALE) - extent + 1 for extent in size]
        offset = torch.stack([torch.randint(n, (num_images,), generator=generator) for n in room], dim=1)
        is_flipped = (torch.rand(num_images, generator=generator) < 0.5) & self.flips
        centre = (
            torch.rand(num_images, 2, generator=generator) * torch.tensor(size) if self.use_cutout else None
        )
        return Draws(offset, is_flipped, centre)

    def apply(self, x_BCUV: Tensor, draws: Draws, size: tuple[int, int]) -> Tensor:
        """Upscaled bytes to augmented bytes (B, C, H, W).

        Whole rows are picked first, then columns (in reverse where flipped), and cutout is a product: a third
        of the time of indexing windows, `torch.where` and `masked_fill`.
        """
        num_images, num_channels, height = x_BCUV.shape[:3]
        device = x_BCUV.device
        planes_BC1 = torch.arange(num_images * num_channels, device=device).view(num_images, num_channels, 1)
        rows_B1H = (draws.offset[:, :1] + torch.arange(size[0], device=device))[:, None]
        picked = x_BCUV.flatten(0, 2).index_select(0, (planes_BC1 * height + rows_B1H).flatten())
        picked_BCHV = picked.view(num_images, num_channels, size[0], -1)
        columns_W = torch.arange(size[1], device=device)
        columns_BW = draws.offset[:, 1:] + torch.where(
            draws.is_flipped[:, None], columns_W.flip(0), columns_W
        )
        columns_BCHW = columns_BW[:, None, None].expand(-1, num_channels, size[0], -1)
        x_BCHW = picked_BCHV.gather(3, columns_BCHW)
        if draws.cutout_centre is not None:
            x_BCHW.mul_(~_squares(draws.cutout_centre, size))
        return x_BCHW


def _squares(centre_B2: Tensor, size: tuple[int, int]) -> Tensor:
    """Where the cutouts lie, (B, 1, H, W)."""
    inside = [
        (torch.arange(extent, device=centre_B2.device) + 0.5 - centre_B2[:, axis, None]).abs()
        <= extent * _CUTOUT_SHARE / 2
        for axis, extent in enumerate(size)
    ]
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
