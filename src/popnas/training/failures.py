"""The ways in which a candidate fails by its own doing, told in words."""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from popnas import files
from popnas.errors import NO_MEMORY, CandidateFailed
from popnas.layers.activations import Exponential

_OUT_OF_MEMORY = (
    *NO_MEMORY,
    # On a GPU all that allocates beside PyTorch's own: the driver and its libraries.
    *("CUDA error: out of memory", "HIP error: out of memory", "CUDA driver error: out of memory"),
    *("HIP driver error: out of memory", "Triton Error [CUDA]: out of memory"),
    *("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUSOLVER_STATUS_ALLOC_FAILED"),
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",  # since cuDNN 9
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "RESOURCE_EXHAUSTED",  # of a TPU
)
"""Memory that ran out and has no error class of its own."""
_ASKED = re.compile(r"ried to allocate ([\d.]+) (bytes|KiB|MiB|GiB)")
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@contextmanager
def memory_errors_named(device: torch.device) -> Iterator[None]:
    """Turn every form of running out of memory into CandidateFailed("out_of_memory")."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(device, str(error)) from error
    except RuntimeError as error:
        if any(words in str(error) for words in _OUT_OF_MEMORY):
            raise _out_of_memory(device, str(error)) from error
        raise


def release(device: torch.device) -> None:
    """Give back what a failed training held, once nothing refers to it: others on the GPU may need it, and so
    may its libraries, which allocate beside PyTorch."""
    gc.collect()  # tracebacks and graphs refer to one another
    if device.type == "cuda" and torch.cuda.is_initialized():
        with torch.cuda.device(device):
            torch.cuda.empty_cache()


def release_all() -> None:
    """Give back what is left of trainings in this process on any GPU: other processes are to train there."""
    if not torch.cuda.is_initialized():
        return
    for number in range(torch.cuda.device_count()):
        if torch.cuda.memory_reserved(number):
            release(torch.device("cuda", number))


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


def _out_of_memory(device: torch.device, message: str) -> CandidateFailed:
    """How much was asked for last depends on the network alone; what was taken before and what was free
    differ from run to run, and equal failures have equal messages."""
    asked = _ASKED.search(message)
    figure = (
        f" (a tensor of {files.size_text(int(float(asked[1]) * _UNITS[asked[2]]))} was asked for)"
        if asked
        else ""
    )
    return CandidateFailed(
        "out_of_memory",
        f"the network does not fit into the memory of {device} at this batch size{figure}: lower "
        "dataset.batch_size or architecture_hyperparameters.filters, or train fewer at a time "
        "(others.executor.workers)",
    )
