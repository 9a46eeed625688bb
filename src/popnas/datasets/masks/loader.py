"""Batches of images with their masks: crops and flips of both together, whole images filled up to one size.

Axes: B batch, C channels, H W height and width of the batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from popnas.datasets.augmentation.batch import Batch
from popnas.datasets.dataset import PartSplit, Split
from popnas.datasets.kept import pairs as kept_pairs
from popnas.datasets.kept.pairs import Pair
from popnas.datasets.loader import Batching, EpochLoader, batch_bounds
from popnas.datasets.masks.mask_files import IGNORED
from popnas.datasets.preprocessing import Preprocessing
from popnas.datasets.ragged import sizes_of
from popnas.placement import Placement, sent
from popnas.resources import available_cores

_PREFETCHED = 2


@dataclass(frozen=True)
class PairAugmentation:
    """What happens to an image and its mask together: a crop of the size `crop` (height, width) at a random
    place, a horizontal flip of every second one. A mask is only ever cut and turned, never interpolated.
    """

    crop: tuple[int, int] | None = None
    flips: bool = False

    def draw(self, sizes_N2: np.ndarray, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Top left corners (n, 2) and flips (n,) of an epoch, for images of these sizes."""
        room = np.zeros_like(sizes_N2) if self.crop is None else sizes_N2 - np.array(self.crop)
        places = torch.rand(len(sizes_N2), 3, generator=generator, dtype=torch.float64).numpy()
        return (places[:, :2] * (room + 1)).astype(np.int64), (places[:, 2] < 0.5) & self.flips

    def apply(self, pair: Pair, corner: np.ndarray, is_flipped: bool) -> Pair:
        """Cut and turned."""
        x_CHW, y_HW = pair
        if self.crop is not None:
            (top, left), (height, width) = corner.tolist(), self.crop
            x_CHW = x_CHW[:, top : top + height, left : left + width]
            y_HW = y_HW[top : top + height, left : left + width]
        return (x_CHW.flip(-1), y_HW.flip(-1)) if is_flipped else (x_CHW, y_HW)


class SegmentationLoader(EpochLoader):
    """An iterable of `Batch` with y (B, H, W) int64; every iteration is the next epoch.

    Images of one batch that differ in size are filled up at the right and the bottom: with zeros, and masks
    with `IGNORED`, so that the filling counts nowhere. Networks take any size, so batches of one size are not
    filled up. What networks see beside an image does change their answers near its edge: without `shuffle`
    (evaluation) images come sorted by size, and a new batch begins where the size changes.

    `max_pixels` (evaluation only): no batch of more than one image has more pixels.

    `is_cached` keeps images and masks on the device; otherwise they are read while earlier batches are used.
    Both give the same batches. Order, crops and flips follow from `seed` and the epoch alone.
    """

    def __init__(
        self,
        split: Split,
        preprocessing: Preprocessing,
        placement: Placement,
        batching: Batching,
        *,
        augmentation: PairAugmentation | None = None,
        max_pixels: int | None = None,
        is_cached: bool = True,
    ) -> None:
        sizes = (
            sizes_of(split.whole.x)[split.positions] if isinstance(split, PartSplit) else sizes_of(split.x)
        )
        self._in_order = np.lexsort((sizes[:, 1], sizes[:, 0]))
        if batching.shuffle:
            bounds = batch_bounds(len(split), batching.batch_size, joins_single=True)
        else:
            bounds = evaluation_bounds(sizes[self._in_order], batching.batch_size, max_pixels)
        super().__init__(split, batching, bounds)
        self._sizes = sizes
        self.device = placement.off_tpu.device
        self.augmentation = augmentation or PairAugmentation()
        self.memory_format = placement.memory_format
        self._scale = torch.tensor(preprocessing.scale, dtype=torch.float32, device=self.device)[
            :, None, None
        ]
        self._cached = kept_pairs.pairs(self._whole, self.device) if is_cached else None

    def __iter__(self) -> Iterator[Batch]:
        generator = self._next_epoch()
        order = self._in_order
        if self.batching.shuffle:
            order = torch.randperm(len(self.split), generator=generator).numpy()
        corners, flips = self.augmentation.draw(self._sizes[order], generator)
        order = self._in_whole(torch.from_numpy(order)).numpy()
        for batch in self._picked(order, corners, flips):
            yield self._changed(self._ready(*batch), generator)

    def _picked(
        self, order: np.ndarray, corners: np.ndarray, flips: np.ndarray
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Bytes of each batch, (B, C, H, W) and (B, H, W)."""
        crop = self.augmentation.crop
        if self._cached is not None and self._cached.is_in_line and self._has_room_for(crop):
            at, corner, is_flipped = (
                sent(torch.from_numpy(each), self.device) for each in (order, corners, flips)
            )
            for start, stop in self._bounds:
                yield self._cached.crops(at[start:stop], corner[start:stop], is_flipped[start:stop], crop)
            return
        for (start, _), pairs in zip(self._bounds, self._stored_batches(order), strict=True):
            changed = [
                self.augmentation.apply(pair, corners[i], bool(flips[i]))
                for i, pair in enumerate(pairs, start)
            ]
            yield self._together(changed)

    def _has_room_for(self, crop: tuple[int, int] | None) -> TypeGuard[tuple[int, int]]:
        return crop is not None and bool((self._sizes >= np.array(crop)).all())

    def _stored_batches(self, order: np.ndarray) -> Iterator[list[Pair]]:
        """The images and masks of each batch as they are stored."""
        if self._cached is not None:
            for start, stop in self._bounds:
                yield [self._cached[i] for i in order[start:stop]]
            return
        with ThreadPoolExecutor(len(available_cores()), thread_name_prefix="popnas-prefetch") as threads:
            pending: deque[list[Future[Pair]]] = deque()
            for start, stop in self._bounds:
                pending.append(
                    [threads.submit(kept_pairs.read_pair, self._whole, int(i)) for i in order[start:stop]]
                )
                if len(pending) > _PREFETCHED:
                    yield [future.result() for future in pending.popleft()]
            while pending:
                yield [future.result() for future in pending.popleft()]

    def _together(self, pairs: list[Pair]) -> tuple[Tensor, Tensor]:
        """Images and masks of differing sizes filled up to one, made where the bytes are."""
        height, width = (max(y_HW.shape[axis] for _, y_HW in pairs) for axis in (0, 1))
        place = pairs[0][0].device
        x_BCHW = torch.zeros((len(pairs), len(pairs[0][0]), height, width), dtype=torch.uint8, device=place)
        y_BHW = torch.full((len(pairs), height, width), IGNORED, dtype=torch.uint8, device=place)
        for i, (x_CHW, y_HW) in enumerate(pairs):
            x_BCHW[i, :, : y_HW.shape[0], : y_HW.shape[1]] = x_CHW
            y_BHW[i, : y_HW.shape[0], : y_HW.shape[1]] = y_HW
        return x_BCHW, y_BHW

    def _ready(self, x_BCHW: Tensor, y_BHW: Tensor) -> Batch:
        """Bytes as a network's input on the device."""
        if x_BCHW.device != self.device:
            x_BCHW, y_BHW = sent(x_BCHW, self.device), sent(y_BHW, self.device)
        x_BCHW = x_BCHW.float().mul_(self._scale)
        if self.memory_format is not None:
            x_BCHW = x_BCHW.contiguous(memory_format=self.memory_format)
        return Batch(x_BCHW, y_BHW.long(), None)


def evaluation_bounds(sizes_N2: np.ndarray, batch_size: int, max_pixels: int | None) -> list[tuple[int, int]]:
    """(start, stop) of batches of at most `batch_size` images of one size and, more than one together,
    `max_pixels`.
    """
    bounds, start = [], 0
    for i, size in enumerate(sizes_N2):
        num_pixels = (i + 1 - start) * int(size.prod())
        is_too_large = max_pixels is not None and num_pixels > max_pixels
        is_other = (size != sizes_N2[start]).any()
        if i > start and (i - start == batch_size or is_too_large or is_other):
            bounds.append((start, i))
            start = i
    return [*bounds, (start, len(sizes_N2))] if len(sizes_N2) else []
