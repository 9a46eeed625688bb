"""The ways in which a candidate fails by its own doing, told in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from popnas.errors import CandidateFailed
from popnas.layers.activations import Exponential

_CPU_OUT_OF_MEMORY = ("not enough memory", "can't allocate memory")


@contextmanager
def memory_errors_named(device: torch.device) -> Iterator[None]:
    """Turn every form of running out of memory into CandidateFailed("out_of_memory")."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(device) from error
    except RuntimeError as error:
        # The CPU allocator has no error class of its own.
        if any(words in str(error) for words in _CPU_OUT_OF_MEMORY):
            raise _out_of_memory(device) from error
        raise


def check_finite(value: float, what: str, epoch: int, network: nn.Module) -> None:
    """Raise CandidateFailed("nan") unless `value` is a finite number; epochs are counted from 0. An
    activation of `network` that itself makes numbers explode is named."""
    if math.isfinite(value):
        return
    message = f"{what} became {value} in epoch {epoch + 1}: the training diverged"
    if any(isinstance(module, Exponential) for module in network.modules()):
        message += (
            "; the activation 'exponential' grows without bound, far faster than its input: take another "
            "architecture_hyperparameters.activation_function"
        )
    raise CandidateFailed("nan", message)


def time_limit(max_seconds: float, epoch: int, num_epochs: int) -> CandidateFailed:
    """The failure of a training that was cut off in `epoch` (from 0)."""
    return CandidateFailed(
        "time_limit", f"not trained within {max_seconds:g} s: stopped in epoch {epoch + 1} of {num_epochs}"
    )


def _out_of_memory(device: torch.device) -> CandidateFailed:
    return CandidateFailed(
        "out_of_memory", f"the network does not fit into the memory of {device} at this batch size"
    )
