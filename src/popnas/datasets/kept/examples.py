"""Images and series of one size, and what is told of each example.

Axes: N examples, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from popnas.datasets.dataset import Split

CHUNK_BYTES = 32 * 2**20
"""So much at a time is brought into order and onto a device: no second copy of all examples in memory, and
none in pinned pages, which PyTorch would keep."""

_KEPT: WeakKeyDictionary[Split, dict[tuple[str, torch.device], Tensor]] = WeakKeyDictionary()


def values(whole: Split, name: str, device: torch.device) -> Tensor:
    """The classes or lengths, "y" or "lengths", of all examples, (N,) int64."""
    return _once(whole, name, device, lambda: torch.tensor(getattr(whole, name), device=device))


def examples(whole: Split, device: torch.device) -> Tensor:
    """All examples, raw, channels first (N, C, ...). On a CPU arrays that lie so are taken as they are."""
    return _once(whole, "x", device, lambda: _examples(whole.x, device))


def _once(whole: Split, what: str, device: torch.device, make: Callable[[], Tensor]) -> Tensor:
    found = _KEPT.setdefault(whole, {})
    if (what, device) not in found:
        found[what, device] = make()
    return found[what, device]


def channels_first(x: np.ndarray) -> Tensor:
    """A copy of examples, always: the arrays may be read-only, memory-mapped, or the caller's."""
    return torch.from_numpy(np.array(np.moveaxis(x, -1, 1), order="C"))


def _examples(x: np.ndarray, device: torch.device) -> Tensor:
    if device.type != "cpu":
        return _brought(x, device)
    array = np.moveaxis(x, -1, 1)
    if _can_be_kept(array):
        # Of one channel numpy's strides may be those of either layout, and convolutions go by strides.
        return torch.from_numpy(array.reshape(-1)).view(array.shape)
    return channels_first(x)


def _brought(x: np.ndarray, device: torch.device) -> Tensor:
    chunk = max(CHUNK_BYTES // max(x[:1].nbytes, 1), 1)
    first = channels_first(x[:chunk])
    found = torch.empty((len(x), *first.shape[1:]), dtype=first.dtype, device=device)
    for start in range(0, len(x), chunk):
        found[start : start + chunk].copy_(channels_first(x[start : start + chunk]))
    return found


def _can_be_kept(array: np.ndarray) -> bool:
    """Whether torch can take it as it lies; it warns of arrays that must not be written to."""
    is_plain = array.dtype in (np.dtype(np.uint8), np.dtype(np.float32))
    return is_plain and array.flags.c_contiguous and array.flags.writeable
