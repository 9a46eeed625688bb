"""On which device a candidate is trained, what brings nothing there, and how its work is repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import torch

from popnas.errors import UserError
from popnas.placement import precision
from popnas.training.accelerated import xla

T = TypeVar("T")

TRAIN_STRATEGIES = ("auto", "CPU", "GPU", "multi-GPU", "TPU")


def names(train_strategy: str, num_gpus: int | None = None) -> tuple[str, ...]:
    """The devices of `train_strategy`, which workers take in turn: all GPUs with `multi-GPU`, else one.

    `num_gpus`: how many there are in a cluster; None: of this machine, as PyTorch counts them.

    Raises UserError if they are not there, naming what is.
    """
    is_here = num_gpus is None
    num_gpus = torch.cuda.device_count() if num_gpus is None else num_gpus
    place, sees = ("This machine", "PyTorch sees") if is_here else ("The cluster", "its nodes have")
    rule = _why_not(train_strategy, num_gpus, sees)
    if rule is not None:
        raise UserError(
            f"others.train_strategy: '{train_strategy}' {rule}. {place} has: "
            f"{', '.join(available(num_gpus))}. Take one of these, or the best device present with "
            "others.train_strategy 'auto'."
        )
    if train_strategy == "TPU":
        return (xla.DEVICE,)
    if train_strategy == "CPU" or not num_gpus:
        return ("cpu",)
    return tuple(f"cuda:{index}" for index in range(num_gpus if train_strategy == "multi-GPU" else 1))


def _why_not(train_strategy: str, num_gpus: int, sees: str) -> str | None:
    """Why it cannot be had, as the end of a sentence; None if it can."""
    if train_strategy not in TRAIN_STRATEGIES:
        return f"is none of {', '.join(TRAIN_STRATEGIES)}"
    if train_strategy == "TPU":
        return xla.why_not()
    if train_strategy == "GPU" and not num_gpus:
        return f"cannot be had: {sees} no GPU"
    if train_strategy == "multi-GPU" and num_gpus < 2:
        return f"needs at least 2 GPUs, and {sees} {num_gpus}"
    return None


def choose(train_strategy: str) -> torch.device:
    """The device of what is trained alone; see `names`."""
    return torch.device(names(train_strategy)[0])


def available(num_gpus: int) -> list[str]:
    """The strategies that can be had with `num_gpus` GPUs."""
    return ["CPU"] + ["GPU"] * (num_gpus >= 1) + ["multi-GPU"] * (num_gpus >= 2)


def no_gain(device: torch.device, *, has_mixed_precision: bool) -> list[str]:
    """Warnings about settings that bring nothing on this device."""
    if not has_mixed_precision or precision(device, True) is not None:
        return []
    lacks = (
        "this CPU has no bfloat16 instructions" if device.type == "cpu" else "this GPU has no tensor cores"
    )
    return [
        f"others.use_mixed_precision: has no effect here: {lacks}, and numbers of two bytes are slower "
        "without than float32, in which it trains."
    ]


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
        flushed_before = flushes_denormal()
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(flushed_before)


def check_trains(device: torch.device) -> None:
    """For a process that is going to train there, before it trains anything: raises UserError if it
    cannot."""
    if device.type == "xla":
        xla.check_trains()


def without_gradients(device: torch.device) -> AbstractContextManager[None]:
    """The cheapest mode for a network that only answers: torch-xla cannot take tensors of inference mode."""
    return torch.no_grad() if device.type == "xla" else torch.inference_mode()


def settled(device: torch.device, values: T) -> T:
    """A tree of tensors that later steps leave as they are; on a TPU these are copies on the CPU."""
    return xla.on_host(values) if device.type == "xla" else values


def flushes_denormal() -> bool:
    """Whether this thread takes denormal numbers for zero; torch does not tell."""
    return not (torch.tensor([1e-38], dtype=torch.float32, device="cpu") * 1e-3).any()
