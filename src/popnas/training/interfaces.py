"""What the loop asks of the parts that it is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypedDict

import torch
from torch import Tensor, nn

from popnas.records import Json

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits, y) -> mean loss of the batch, a scalar. A mean over something else than examples (pixels that
count) has a method `count(y)`, a scalar tensor: over how many."""


class SnapshotError(Exception):
    """What a training was to go on from is not of this training."""


class TrainingSnapshot(TypedDict):
    """Everything that a training needs to go on later, as tensors and plain values: what `torch.save` writes
    and `torch.load(..., weights_only=True)` reads. `epochs` are `EpochRecord`s as JSON; `optimizer` is what
    torch makes of one; `averaged` the moving average of the network, empty without one.
    """

    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, float] | None
    epochs: list[Json]
    best_epoch: int
    best_state: dict[str, Tensor]
    averaged: dict[str, Tensor]


Snapshot = Callable[[], TrainingSnapshot]
"""Makes one, as copies."""


class TrainableNetwork(nn.Module):
    """For types only: what a network has beside being a module that maps (x, lengths) to a tuple of logits.

    One tensor of logits per head, the last being the main one; `head_weights` are their weights in the loss.
    """

    head_weights: tuple[float, ...]

    def set_progress(self, fraction: float) -> None:
        """How much of the training is over, 0 to 1."""


class MixedIn(Protocol):
    """What examples of a batch are mixed with."""

    @property
    def y(self) -> Tensor:
        """The classes of what was mixed in."""

    @property
    def share(self) -> float:
        """Its share of the loss."""


class DeviceBatch(Protocol):
    """Samples on the device: `x` (B, C, H, W) or (B, C, L) float32, `y` (B, ...) int64, `lengths` (B,) or
    None. A batch whose examples are mixed has a field `mixed`, a `MixedIn`; others need none.
    """

    @property
    def x(self) -> Tensor:
        """The network's input."""

    @property
    def y(self) -> Tensor:
        """The true classes."""

    @property
    def lengths(self) -> Tensor | None:
        """Timesteps of each series before its padding, if they differ."""


class Loader(Protocol):
    """An epoch of batches per iteration."""

    def __iter__(self) -> Iterator[DeviceBatch]:
        """The batches of an epoch."""

    def __len__(self) -> int:
        """Batches per epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is, counted from 0: with the loader's seed it determines order and
        augmentation.
        """


class Metrics(Protocol):
    """Sums over a validation split."""

    def update(self, logits: Tensor, y: Tensor) -> None:
        """Add a batch."""

    def compute(self) -> dict[str, float]:
        """The metrics over all that was added."""

    def sum_up(self, total: Callable[[Tensor], Tensor], device: torch.device) -> None:
        """Hold from now on what the accumulators of several processes hold together: `total` gives the sum of
        equally shaped tensors on `device`. Only asked for where a network is trained by several processes.
        """


class NetworkCost(Protocol):
    """What a network costs: FLOPs of one sample's forward pass, trainable params."""

    @property
    def flops(self) -> int:
        """A multiply-add is 2."""

    @property
    def params(self) -> int:
        """Trainable weights."""


class TrainingClock(Protocol):
    """Adds up the time between `start` and `stop`; `seconds` may wait for the device and starts a new sum."""

    def start(self) -> None:
        """A step begins: its batch is on the device."""

    def stop(self) -> None:
        """The step's last operation was issued."""

    def seconds(self) -> float:
        """The sum since the last call."""
