"""Where a network computes: one value, made by whoever starts the work and handed down whole."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_VOLTA, _AMPERE = 7, 8
"""Compute capabilities (their first numbers) of the GPUs from which on there are tensor cores, and with
bfloat16."""


@dataclass(frozen=True)
class Placement:
    """A device, the layout of maps in its memory (None: torch's own), the type that autocast computes in
    (None: float32 throughout), and how many FLOPs of forward passes it does a second in training, where that
    was measured.

    By rules, not by races: a choice that is timed anew would differ from run to run. On a CPU they were found
    by measurement. On a GPU they are what its makers say, where its kind was not measured
    (`training.gpus`).
    """

    device: torch.device
    memory_format: torch.memory_format | None = None
    autocast: torch.dtype | None = None
    flops_per_second: float | None = None

    @classmethod
    def on(
        cls, device: torch.device | str, *, num_dims: int, filters: int, has_mixed_precision: bool = False
    ) -> Placement:
        """The place on `device` of a network of 2 dimensions (images) or 1 (series) that begins with so many
        filters.
        """
        device = torch.device(device)
        return cls(device, _memory_format(device, num_dims, filters), precision(device, has_mixed_precision))

    @property
    def off_tpu(self) -> Placement:
        """Here, but on the CPU instead of on a TPU: where batches are made and finished networks answer, each
        number of which would be a program of its own there, and where it is probed what trainings take."""
        return Placement(torch.device("cpu")) if self.device.type == "xla" else self

    def laid_out(self, x: Tensor) -> Tensor:
        """`x` (B, C, H, W) or (B, C, L) in the layout; a series is laid out as the image of height 1 that
        networks make of it.

        Not `contiguous(memory_format=...)`: with one channel both layouts count as contiguous, the strides
        stay, and the network computes in the other layout throughout.
        """
        if self.memory_format is None:
            return x
        if x.dim() == 3:
            return x.unsqueeze(2).to(memory_format=self.memory_format).squeeze(2)
        return x.to(memory_format=self.memory_format)

    def precision(self) -> AbstractContextManager[Any]:
        """A context, to be entered again and again, in which a network computes in the precision."""
        return nullcontext() if self.autocast is None else torch.autocast(self.device.type, self.autocast)


def sent(x: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on `device`, which nobody waits for: a GPU fetches it from memory that is pinned.

    What is drawn at random for each batch goes this way: it is drawn on the CPU, so that every device sees
    the same, and a step that waited for its arrival would wait for all steps before it.
    """
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)


def precision(device: torch.device, has_mixed_precision: bool) -> torch.dtype | None:
    """The type that autocast computes in, or None for float32 throughout.

    A GPU takes bfloat16 where its tensor cores have it (from Ampere on, and all of AMD's), else float16 where
    they have that (Volta, Turing; the training scales its gradients). A CPU takes bfloat16 only if it has
    instructions for it. Emulated, either is slower than float32.
    """
    if not has_mixed_precision:
        return None
    return next((type for type in (torch.bfloat16, torch.float16) if has_units_for(device, type)), None)


def has_units_for(device: torch.device, autocast: torch.dtype) -> bool:
    """Whether a device computes in bfloat16 or float16 by units of its own, and does not emulate it."""
    is_bfloat16 = autocast == torch.bfloat16
    if device.type == "cuda":
        generation, _ = torch.cuda.get_device_capability(device)
        return bool(torch.version.hip) or generation >= (_AMPERE if is_bfloat16 else _VOLTA)
    return is_bfloat16 and (device.type == "xla" or torch.cpu._is_avx512_bf16_supported())


def _memory_format(device: torch.device, num_dims: int, filters: int) -> torch.memory_format | None:
    """The layout of a network's maps in memory; None is torch's own.

    On a CPU channels last pays at every size: one thread, AVX-512, 16x16 images in batches of 64 make a
    step 1.2 to 1.4 times faster at 8 filters and at 24, series 1.0 to 1.5 times, and nothing measured was
    slower. It seems to do nothing where a layer or an input of one channel falls back to the other layout
    on the way; hence `laid_out`. On a GPU, where it was not measured, it follows what tensor cores ask for.
    """
    if device.type == "xla" or (device.type == "cuda" and (num_dims == 1 or filters % 8)):
        return None
    return torch.channels_last
