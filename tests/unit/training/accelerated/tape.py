"""A CUDA graph on a CPU: the operations of a step, run again on the same tensors with the same numbers.

Like a graph, a replay runs no Python of the network, the loss or the optimizer: what a step reads from Python
(a learning rate, a share, a probability) is what it was when the step was recorded, and what it reads from
tensors is what lies there now. Nothing may be read back while a step is recorded, and no tensor may move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from popnas.training.accelerated.graphed import Run
from popnas.training.stepper import Stepped


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        result = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, result))
        return result


class TapeRecorder:
    """A `Recorder`; `replays` counts; `before` is done before each."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.before = before
        self.replays = 0

    def record(self, run: Run) -> tuple[Callable[[], None], Stepped]:
        run(False)
        with _Recording() as tape:
            stepped = run(True)
        # All that is in there is kept alive with it, as the memory of a graph is.
        places = [(tensor, tensor.data_ptr()) for tensor in _tensors([item[1:3] for item in tape.operations])]

        def replay() -> None:
            self.before()
            self.replays += 1
            assert all(tensor.data_ptr() == place for tensor, place in places), "a tensor has moved"
            with torch.no_grad():
                for operation in tape.operations:
                    _again(*operation)

        return replay, stepped


def _again(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    aliases = [value.alias_info for value in func._schema.returns]
    if any(alias is not None and not alias.is_write for alias in aliases):
        return  # a view of what is there
    found = func(*args, **kwargs)
    if any(alias is not None for alias in aliases):
        return  # written in place
    for old, new in zip(_tensors(result), _tensors(found), strict=True):
        old.copy_(new)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_flatten(values)[0] if isinstance(value, Tensor)]
