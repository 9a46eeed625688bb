"""Networks that answer, as modules, whatever they are made of. `lengths_B`: timesteps of each sample before
its padding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from popnas.networks.spec import Contract


class Answering(nn.Module, ABC):
    """Preprocessed input -> logits, as its `contract` says; what it is called in messages is its `str`."""

    @property
    @abstractmethod
    def contract(self) -> Contract:
        """What it takes and gives."""

    @property
    def no_int8(self) -> str | None:
        """Why 8 bits cannot hold it, where that is known; then nobody tries."""
        return None

    @abstractmethod
    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
        """(B, C, H, W) or (B, C, L) float32, `lengths_B` if and only if the contract has lengths; several
        heads may answer, and the last is the main one: (B, classes), or (B, classes, H, W) per pixel."""
