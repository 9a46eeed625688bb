"""Batches on the device: prepared once, kept there, picked by index and augmented as a whole.

Against a `torch.utils.data.DataLoader` there is no Python per example, no worker process and no copy per
epoch. Images stay bytes until a batch is made: on a CPU that is as fast as float32 for small data and faster
for large (a quarter of the memory to gather), see `benchmarks/bench_datasets.py`.

Axes: B batch, C channels, H W image, L timesteps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from popnas.datasets.augmentation.batch import Batch, Change
from popnas.datasets.dataset import PartSplit, Split
from popnas.datasets.images.augmentation import Draws, ImageAugmentation
from popnas.datasets.kept import examples
from popnas.datasets.preprocessing import Preprocessing
from popnas.placement import Placement, sent
from popnas.seeds import derive_seed

_PREFETCHED = 2


class BatchLoader(Protocol):
    """An iterable of `Batch`; every iteration is the next epoch."""

    def __len__(self) -> int:
        """Batches per epoch."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        ...

    @property
    def num_samples(self) -> int:
        """Examples per epoch."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Make `epoch` (from 0) the next one."""
        ...


@dataclass(frozen=True)
class Batching:
    """How a split is cut into batches: so many examples each; `shuffle` for training, each epoch in an order
    that follows from `seed` and the epoch alone, as do the random choices of the `changes` that are made to
    each batch in turn.
    """

    batch_size: int
    shuffle: bool = False
    seed: int = 0
    changes: Sequence[Change] = ()


class EpochLoader:
    """What all loaders are: batches of a split, epoch by epoch; `bounds` (start, stop) of each batch in the
    epoch's order.
    """

    def __init__(self, split: Split, batching: Batching, bounds: Sequence[tuple[int, int]]) -> None:
        self.split = split
        self._whole = split.whole if isinstance(split, PartSplit) else split
        self.batching = batching
        self._bounds = bounds
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._bounds)

    @property
    def num_samples(self) -> int:
        """Examples per epoch."""
        return len(self.split)

    def set_epoch(self, epoch: int) -> None:
        """Make `epoch` (from 0) the next one."""
        self._epoch = epoch

    def _in_whole(self, order: Tensor) -> Tensor:
        """Where examples of the split, (n,), are in what it is a part of, if it is."""
        positions = self.split.positions if isinstance(self.split, PartSplit) else None
        return order if positions is None else torch.from_numpy(positions)[order]

    def _next_epoch(self) -> torch.Generator:
        """What the next epoch draws its order and its augmentation from."""
        generator = torch.Generator().manual_seed(derive_seed(self.batching.seed, "epoch", self._epoch))
        self._epoch += 1
        return generator

    def _changed(self, batch: Batch, generator: torch.Generator) -> Batch:
        for change in self.batching.changes:
            batch = change(batch, generator)
        return batch


class DeviceLoader(EpochLoader):
    """An iterable of `Batch`; every iteration is the next epoch, with an order and an augmentation of its
    own.

    The order follows from `seed` and the epoch alone. The last batch may be smaller; a last *training* batch
    (`shuffle`) of a single example joins the one before it, because batch normalisation cannot train on one
    value per channel.

    `is_cached` keeps the data on the device (`kept`); otherwise batches are made from the arrays in memory
    (or on disk, if they are memory-mapped) by a thread that runs ahead. Both give the same batches. On a CPU
    arrays that lie channels first (`prepared`) are kept as they are, without a copy of one's own: so what is
    kept is raw, and each batch is made ready for the network.
    """

    def __init__(
        self,
        split: Split,
        preprocessing: Preprocessing,
        placement: Placement,
        batching: Batching,
        *,
        augmentation: ImageAugmentation | None = None,
        is_cached: bool = True,
    ) -> None:
        bounds = batch_bounds(len(split), batching.batch_size, joins_single=batching.shuffle)
        super().__init__(split, batching, bounds)
        self.preprocessing = preprocessing
        self.device = placement.off_tpu.device
        self.augmentation = augmentation
        whole = self._whole
        self.memory_format = placement.memory_format if whole.x.ndim == 4 else None
        self._size = whole.x.shape[1:-1]
        self._scale, self._offset = self._constants()
        self._y = examples.values(whole, "y", self.device)
        self._ends = None if whole.lengths is None else examples.values(whole, "lengths", self.device)
        self._lengths = self._ends if preprocessing.has_lengths else None
        self._cached = examples.examples(whole, self.device) if is_cached else None

    def __iter__(self) -> Iterator[Batch]:
        generator = self._next_epoch()
        order = (
            torch.randperm(len(self.split), generator=generator)
            if self.batching.shuffle
            else torch.arange(len(self.split))
        )
        draws = None
        if self.augmentation is not None:
            height, width = self._size
            draws = self.augmentation.draw(len(order), (height, width), generator).to(self.device)
        order = self._in_whole(order)
        indices = sent(order, self.device)
        for (start, stop), x in zip(self._bounds, self._stored_batches(order, indices), strict=True):
            chosen = indices[start:stop]
            ends = None if self._ends is None else self._ends.index_select(0, chosen)
            part = None if draws is None else draws.part(start, stop)
            lengths = None if self._lengths is None else ends
            batch = Batch(self._finished(x, part, ends), self._y.index_select(0, chosen), lengths)
            yield self._changed(batch, generator)

    def _stored_batches(self, order: Tensor, indices: Tensor) -> Iterator[Tensor]:
        """What is stored of each batch's examples, on the device."""
        if self._cached is not None:
            for start, stop in self._bounds:
                yield self._cached.index_select(0, indices[start:stop])
            return
        positions = order.numpy()
        with ThreadPoolExecutor(1, thread_name_prefix="popnas-prefetch") as thread:
            pending: deque[Future[Tensor]] = deque()
            for start, stop in self._bounds:
                pending.append(thread.submit(self._raw, positions[start:stop]))
                if len(pending) > _PREFETCHED:
                    yield self._arrived(pending.popleft())
            while pending:
                yield self._arrived(pending.popleft())

    def _arrived(self, batch: Future[Tensor]) -> Tensor:
        return batch.result().to(self.device, non_blocking=True)

    def _raw(self, indices: np.ndarray) -> Tensor:
        """Examples with the channels first, as the data have them."""
        tensor = examples.channels_first(self._whole.x[indices])
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def _finished(self, x: Tensor, draws: Draws | None, ends: Tensor | None) -> Tensor:
        """As `Preprocessing.apply` makes it, to the bit. `x` is a batch's own: it may be changed."""
        if self.augmentation is not None and draws is not None:
            x = self.augmentation.apply(x, draws)
        x = x.float()
        x = x.mul_(self._scale) if self._offset is None else x.sub_(self._offset).mul_(self._scale)
        if ends is not None:
            x.masked_fill_(torch.arange(x.shape[2], device=x.device) >= ends[:, None, None], 0.0)
        return x if self.memory_format is None else x.contiguous(memory_format=self.memory_format)

    def _constants(self) -> tuple[Tensor, Tensor | None]:
        """Scale and offset, (C, 1, 1) or (C, 1); no offset if it is zero, as for all images today."""
        per_channel = (-1, *[1] * len(self._size))
        scale, offset = (
            torch.tensor(values, dtype=torch.float32, device=self.device).view(per_channel)
            for values in (self.preprocessing.scale, self.preprocessing.offset)
        )
        return scale, offset if any(self.preprocessing.offset) else None


def batch_bounds(num_samples: int, batch_size: int, *, joins_single: bool) -> list[tuple[int, int]]:
    """(start, stop) of each batch; `joins_single`: a last one of one example joins the one before it."""
    starts = list(range(0, num_samples, batch_size))
    if joins_single and len(starts) > 1 and num_samples - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], num_samples], strict=True))
