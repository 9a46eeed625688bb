"""Images with their masks, which may differ in size.

Axes: N images, B of a batch, C channels, H W a crop's height and width.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from popnas.datasets.dataset import Split
from popnas.datasets.kept import examples
from popnas.datasets.ragged import sizes_of

Pair = tuple[Tensor, Tensor]
"""An image (C, h, w) uint8 and its mask (h, w) uint8."""


def pairs(whole: Split, device: torch.device) -> Pairs:
    """All images with their masks."""
    found = _KEPT.setdefault(whole, {})
    if device not in found:
        found[device] = Pairs(whole, device)
    return found[device]


def read_pair(whole: Split, i: int) -> Pair:
    """One of them, as copies: what is read may be read-only."""
    x_HWC, y_HW = np.asarray(whole.x[i]), np.asarray(whole.y[i])
    return torch.tensor(np.moveaxis(x_HWC, -1, 0).copy()), torch.tensor(y_HW)


class Pairs:
    """Images and masks on a device. On a CPU they are views of the arrays, where they may be: a second copy
    of large data is felt. Elsewhere they lie one after the other in two tensors of bytes (`is_in_line`), so
    that there are few transfers, and crops of a whole batch are picked at once.
    """

    def __init__(self, whole: Split, device: torch.device, *, is_in_line: bool | None = None) -> None:
        self.is_in_line = device.type != "cpu" if is_in_line is None else is_in_line
        if not self.is_in_line:
            self._pairs = [_as_it_lies(whole, i) for i in range(len(whole))]
            return
        self._line_up(whole, device)

    def _line_up(self, whole: Split, device: torch.device) -> None:
        sizes_N2 = sizes_of(whole.x)
        ends_N = sizes_N2.prod(axis=1).cumsum()
        bounds = [0, *ends_N.tolist()]
        self._num_channels = int(np.asarray(whole.x[0]).shape[-1])
        self._x, self._y = (
            torch.empty(depth * bounds[-1], dtype=torch.uint8, device=device)
            for depth in (self._num_channels, 1)
        )
        for first, last in pairwise(_chunks(self._num_channels * ends_N)):
            read = [read_pair(whole, i) for i in range(first, last)]
            start, end = bounds[first], bounds[last]
            for kept, depth, which in ((self._x, self._num_channels, 0), (self._y, 1, 1)):
                kept[depth * start : depth * end].copy_(torch.cat([pair[which].flatten() for pair in read]))
        height_N, width_N = (torch.tensor(side, device=device) for side in sizes_N2.T.copy())
        self._width_N, self._area_N = width_N, height_N * width_N
        self._start_N = torch.tensor(bounds[:-1], device=device)
        depth = self._num_channels
        self._pairs = [
            (
                self._x[depth * start : depth * end].view(depth, *size),
                self._y[start:end].view(*size),
            )
            for start, end, size in zip(bounds, bounds[1:], sizes_N2.tolist(), strict=False)
        ]

    def __getitem__(self, i: int) -> Pair:
        return self._pairs[i]

    def crops(
        self, at_B: Tensor, corner_B2: Tensor, is_flipped_B: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Crops of one size from the images `at`, each of which has room for it: (B, C, H, W) and (B, H, W)
        uint8. All is on the device; only in line.
        """
        assert self.is_in_line, "on a CPU slices are faster"
        height, width = size
        steps_H, steps_W = (torch.arange(extent, device=at_B.device) for extent in size)
        row_BH = corner_B2[:, :1] + steps_H
        column_BW = corner_B2[:, 1:] + torch.where(is_flipped_B[:, None], width - 1 - steps_W, steps_W)
        start_B, width_B, area_B = (
            each.index_select(0, at_B)[:, None, None] for each in (self._start_N, self._width_N, self._area_N)
        )
        within_BHW = row_BH[:, :, None] * width_B + column_BW[:, None]
        y_BHW = self._y.index_select(0, (start_B + within_BHW).flatten()).view(-1, height, width)
        depth = self._num_channels
        first_BHW = depth * start_B + within_BHW
        x_BCHW = torch.stack(
            [
                self._x.index_select(0, (first_BHW + channel * area_B).flatten()).view(-1, height, width)
                for channel in range(depth)
            ],
            dim=1,
        )
        return x_BCHW, y_BHW


_KEPT: WeakKeyDictionary[Split, dict[torch.device, Pairs]] = WeakKeyDictionary()


def _as_it_lies(whole: Split, i: int) -> Pair:
    x_HWC, y_HW = np.asarray(whole.x[i]), np.asarray(whole.y[i])
    if x_HWC.flags.writeable and y_HW.flags.writeable:
        return torch.from_numpy(x_HWC).permute(2, 0, 1), torch.from_numpy(y_HW)
    return read_pair(whole, i)


def _chunks(end_bytes_N: np.ndarray) -> Iterator[int]:
    """Bounds of groups of examples of about as many bytes as are brought at a time, one at least."""
    start = 0
    yield start
    for i, end in enumerate(end_bytes_N.tolist(), start=1):
        if end - start >= examples.CHUNK_BYTES:
            start = end
            yield i
    if start < (end_bytes_N[-1] if len(end_bytes_N) else 0):
        yield len(end_bytes_N)
