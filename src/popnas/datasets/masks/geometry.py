"""An image and its mask to another size, together: images smoothed, masks never.

Axes: H W height and width, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popnas.config.sections import ResizeConfig
from popnas.datasets.images.decoding import resize_image
from popnas.errors import DataError

Size = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True)
class Geometry:
    """What happens to every image and its mask: the shorter side to `resize` pixels, the ratio kept, then a
    square of `crop` pixels out of the centre; None for neither.
    """

    resize: int | None = None
    crop: int | None = None

    def size(self, height: int, width: int, name: str) -> Size:
        """The size that an image of this size gets.

        Raises:
            DataError: it has no room for the crop.
        """
        resized = self.resized(height, width)
        if self.crop is None:
            return resized
        if min(resized) < self.crop:
            came = "" if resized == (height, width) else f" (from {width}x{height})"
            raise DataError(
                f"The image {name} is {resized[1]}x{resized[0]} (width x height){came}, too small for a crop "
                f"of {self.crop}x{self.crop}. Give `crop` {min(resized)} or less, or enlarge images with "
                f"`resize` {self.crop}."
            )
        return self.crop, self.crop

    def resized(self, height: int, width: int) -> Size:
        """The size before the crop."""
        if self.resize is None:
            return height, width
        scale = self.resize / min(height, width)
        # The shorter side exactly, whatever floating point makes of it.
        return (
            (self.resize, max(self.resize, round(width * scale)))
            if height <= width
            else (max(self.resize, round(height * scale)), self.resize)
        )

    def of_image(self, x_HWC: np.ndarray) -> np.ndarray:
        """(h, w, c) uint8: bilinear, with antialiasing where it shrinks; then cut."""
        height, width = self.resized(*x_HWC.shape[:2])
        return self._cut(resize_image(x_HWC, ResizeConfig(height=height, width=width)))

    def of_mask(self, y_HW: np.ndarray) -> np.ndarray:
        """(h, w) labels: each pixel takes that nearest to its centre, so no label is made up; then cut."""
        height, width = self.resized(*y_HW.shape)
        rows, columns = _nearest(y_HW.shape[0], height), _nearest(y_HW.shape[1], width)
        return self._cut(y_HW[rows[:, None], columns])

    def _cut(self, pixels: np.ndarray) -> np.ndarray:
        if self.crop is None:
            return pixels
        top, left = ((extent - self.crop) // 2 for extent in pixels.shape[:2])
        return pixels[top : top + self.crop, left : left + self.crop]


def _nearest(extent: int, new_extent: int) -> np.ndarray:
    """For each of `new_extent` pixels the one of `extent` in which its centre lies."""
    return (2 * np.arange(new_extent) + 1) * extent // (2 * new_extent)
