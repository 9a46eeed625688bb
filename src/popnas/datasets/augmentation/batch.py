"""What loaders hand out, and what may be done to it on its device before a network sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Mixed(NamedTuple):
    """Of examples that are mixed with others of their batch: the others' classes, and the share that these
    have in the loss, at most a half."""

    y: Tensor
    share: float


class Batch(NamedTuple):
    """Network input x (B, C, H, W) or (B, C, L) float32, classes y (B,) or (segmentation) (B, H, W) int64,
    series' lengths (B,) int64 or None; what examples are `mixed` with, or None.
    """

    x: Tensor
    y: Tensor
    lengths: Tensor | None
    mixed: Mixed | None = None


Change = Callable[[Batch, torch.Generator], Batch]
"""A change of a whole training batch, whose tensors are its own. The generator is of the CPU, so that every
device sees the same random choices."""
