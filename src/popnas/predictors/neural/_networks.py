"""What training and prediction know of the networks of an ensemble, and layers for M of them at once.

Axes: N cells, M models, B blocks, R rows of one model.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch


class Rows(Protocol):
    """Cells as tensors, the first axis of each their number."""

    def __getitem__(self, rows: torch.Tensor) -> Any:
        """Those of some cells."""


R = TypeVar("R", bound=Rows)


class Networks(ABC, Generic[R]):
    """M networks of one kind, trained together; nothing of one reaches another."""

    @property
    @abstractmethod
    def tensors(self) -> list[torch.Tensor]:
        """All weights, the first axis of each M."""

    @abstractmethod
    def rows(self, cells_NB4: np.ndarray) -> R:
        """Cells as they read them."""

    @abstractmethod
    def forward(self, rows: R) -> torch.Tensor:
        """The outputs of all models before the sigmoid: (M, N)."""


@dataclass(frozen=True)
class DenseLayers:
    """M models' dense layers, stacked: of each a kernel (M, inputs, outputs) and a bias (M, 1, outputs)."""

    kernels: list[torch.Tensor]
    biases: list[torch.Tensor]

    @classmethod
    def of(cls, shapes: Sequence[tuple[int, int]], num_models: int, seed: int) -> Self:
        """Of those inputs and outputs, by He's uniform initialisation; the last one starts small, so that
        first predictions lie near the middle."""
        generator = torch.Generator().manual_seed(seed)
        kernels, biases = [], []
        for layer, (width_in, width_out) in enumerate(shapes):
            bound = math.sqrt(6 / width_in) * (0.3 if layer == len(shapes) - 1 else 1.0)
            kernel = (torch.rand(num_models, width_in, width_out, generator=generator) * 2 - 1) * bound
            kernels.append(kernel)
            biases.append(torch.zeros(num_models, 1, width_out))
        return cls(kernels, biases)

    @property
    def num_models(self) -> int:
        """M."""
        return self.kernels[0].shape[0]

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All of them."""
        return [*self.kernels, *self.biases]

    def dense(self, layer: int, inputs: torch.Tensor) -> torch.Tensor:
        """(M, ..., inputs) -> (M, ..., outputs), without an activation."""
        flat = inputs.reshape(self.num_models, -1, inputs.shape[-1])
        found = torch.baddbmm(self.biases[layer], flat, self.kernels[layer])
        return found.view(*inputs.shape[:-1], -1)

    def readout(self, encoded_MNX: torch.Tensor) -> torch.Tensor:
        """(M, N): the last two layers, of what cells became."""
        last = len(self.kernels) - 1
        return self.dense(last, self.dense(last - 1, encoded_MNX).relu()).squeeze(2)
