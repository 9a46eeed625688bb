"""What torch keeps for the whole process: random numbers, threads, defaults."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from popnas.process_state.changes import Shared
from popnas.process_state.turns import in_turn


@contextmanager
def torch_random_in_turn() -> Iterator[None]:
    """What draws from torch's generator, one block at a time in this process; the generator is as before
    afterwards.

    There is one generator for all threads: two trainings that drew from it at once would not be repeated by
    any seed.
    """
    torch = _imported_torch()
    if torch is None:
        yield
        return
    with in_turn("torch"), torch.random.fork_rng(devices=[]):
        yield


@contextmanager
def torch_in_turn(threads: int) -> Iterator[None]:
    """Compute with torch on so many threads, and as `torch_random_in_turn` says."""
    torch = _imported_torch()
    if torch is None:
        yield
        return
    with torch_random_in_turn():
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def torch_as_imported() -> Iterator[None]:
    """Torch as it is when it has just been imported, whatever the caller has set for work of his own:
    gradients are computed, tensors are float32 and on the CPU unless something else is asked for, nothing is
    cast."""
    torch = _imported_torch()
    if torch is None:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":  # a context costs time at every call of torch
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_float32())
        yield


@Shared
@contextmanager
def _float32() -> Iterator[None]:
    torch = _imported_torch()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _imported_torch() -> Any:
    """torch, if something has imported it, whole: another thread may be at it."""
    return importlib.import_module("torch") if "torch" in sys.modules else None
