"""Where a candidate is trained, in which memory format and in which precision.

Rules that were found by measurement, not races: a choice made by timing would differ from run to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from popnas.errors import UserError

TRAIN_STRATEGIES = ("auto", "CPU", "GPU", "multi-GPU", "TPU")


def names(train_strategy: str, num_gpus: int | None = None) -> tuple[str, ...]:
    """The devices of `train_strategy`, which workers take in turn: all GPUs with `multi-GPU`, else one.

    `num_gpus`: how many there are; None asks PyTorch.

    Raises UserError if they are not there, naming what is.
    """
    num_gpus = torch.cuda.device_count() if num_gpus is None else num_gpus
    if train_strategy not in TRAIN_STRATEGIES:
        raise _unavailable(train_strategy, f"is none of {', '.join(TRAIN_STRATEGIES)}", num_gpus)
    if train_strategy == "TPU":
        raise _unavailable(train_strategy, "cannot be had: this build of PyTorch drives no TPU", num_gpus)
    if train_strategy == "GPU" and not num_gpus:
        raise _unavailable(train_strategy, "cannot be had: PyTorch sees no GPU", num_gpus)
    if train_strategy == "multi-GPU" and num_gpus < 2:
        raise _unavailable(train_strategy, f"needs at least 2 GPUs, and PyTorch sees {num_gpus}", num_gpus)
    if train_strategy == "CPU" or not num_gpus:
        return ("cpu",)
    return tuple(f"cuda:{index}" for index in range(num_gpus if train_strategy == "multi-GPU" else 1))


def choose(train_strategy: str) -> torch.device:
    """The device of what is trained alone; see `names`."""
    return torch.device(names(train_strategy)[0])


def available(num_gpus: int) -> list[str]:
    """The strategies that can be had with `num_gpus` GPUs."""
    return ["CPU"] + ["GPU"] * (num_gpus >= 1) + ["multi-GPU"] * (num_gpus >= 2)


def _unavailable(value: str, rule: str, num_gpus: int) -> UserError:
    return UserError(
        f"others.train_strategy: '{value}' {rule}. This machine has: {', '.join(available(num_gpus))}. "
        "Take one of these, or the best device present with --set others.train_strategy=auto."
    )


def precision(device: torch.device, has_mixed_precision: bool) -> torch.dtype | None:
    """The type that autocast computes in, or None for float32 throughout.

    A GPU takes bfloat16 where it has it, else float16 (whose gradients the loop scales). A CPU takes
    bfloat16 only if it has instructions for it; emulated, it is several times slower than float32.
    """
    if not has_mixed_precision:
        return None
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return None


def no_gain(device: torch.device, *, has_mixed_precision: bool, is_compiled: bool) -> list[str]:
    """Warnings about settings that bring nothing on this device."""
    found = []
    if device.type == "cpu" and has_mixed_precision and precision(device, True) is None:
        found.append(
            "others.use_mixed_precision has no effect: this CPU has no bfloat16 instructions, and emulated "
            "ones are slower than float32, in which it trains."
        )
    if device.type == "cpu" and is_compiled:
        found.append(
            "others.enable_XLA_compilation does not pay on a CPU: compiling takes 30 to 60 s per network, "
            "which is not counted as its training time, and more than it saves."
        )
    return found


def memory_format(device: torch.device, num_dims: int, filters: int) -> torch.memory_format | None:
    """The layout of a network's maps in memory; None is torch's own.

    On a CPU channels last pays at every size: one thread, AVX-512, 16x16 images in batches of 64 make a
    step 1.2 to 1.4 times faster at 8 filters and at 24, series 1.0 to 1.5 times, and nothing measured was
    slower. It seems to do nothing where a layer or an input of one channel falls back to the other layout
    on the way; hence `laid_out`. On a GPU, where it was not measured, it follows what tensor cores ask for.
    """
    if device.type == "cuda" and (num_dims == 1 or filters % 8):
        return None
    return torch.channels_last


def laid_out(x: Tensor, memory_format: torch.memory_format | None) -> Tensor:
    """`x` (B, C, H, W) or (B, C, L) in that layout; a series is laid out as the image of height 1 that
    networks make of it.

    Not `contiguous(memory_format=...)`: with one channel both layouts count as contiguous, the strides
    stay, and the network computes in the other layout throughout.
    """
    if memory_format is None:
        return x
    if x.dim() == 3:
        return x.unsqueeze(2).to(memory_format=memory_format).squeeze(2)
    return x.to(memory_format=memory_format)


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Seeds, flush-to-zero and deterministic kernels for the time of one training; all as before afterwards.

    Denormal numbers, e.g. in the moments of weights that get no gradient any more, would slow a CPU by up
    to a hundred times, and so shake the measured times. The caller's random state is not touched.
    """
    cuda_devices = [device] if device.type == "cuda" else []
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=cuda_devices))
        if cuda_devices:
            stack.enter_context(torch.cuda.device(device))
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(False)
