"""Networks that are fitted in one pass over the training data instead of trained in epochs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Protocol

from torch import Tensor

from popnas.networks.network import Network


class FittingBatch(Protocol):
    """A batch: `x` as the network takes it, `y` (B,) classes, `lengths` (B,) where the contract has them."""

    @property
    def x(self) -> Tensor:
        """The network's input."""

    @property
    def y(self) -> Tensor:
        """The true classes."""

    @property
    def lengths(self) -> Tensor | None:
        """Timesteps of each series before its padding, if they differ."""


class FittedNetwork(Network):
    """A network whose weights come out of one closed form; built, it holds none that would answer."""

    @abstractmethod
    def fit(self, batches: Iterable[FittingBatch], seed: int) -> float:
        """Fit all weights to the examples, on the network's device; the mean cross-entropy that it has on
        examples which it did not see. `batches` is gone through twice, in the same order."""
