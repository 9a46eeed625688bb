"""An exponential moving average of a network's weights and statistics, which is what validates and is kept
(Polyak and Juditsky 1992; Tarvainen and Valpola 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """The average of a network, as tensors beside it.

    After step t (from 0) it keeps at most (1 + t) / (10 + t) of what it was, so that the first weights, in
    which nothing is learnt, are soon forgotten. Counters and the like are not averaged but as they are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        # They share the network's memory through all steps; `state_dict` itself takes long.
        self._current = dict(network.state_dict())
        self.state = {name: tensor.clone() for name, tensor in self._current.items()}
        self._averaged = [name for name, tensor in self.state.items() if tensor.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step `step`."""
        weight = 1.0 - min(self.decay, (1 + step) / (10 + step))
        state, current = ([values[name] for name in self._averaged] for values in (self.state, self._current))
        torch._foreach_lerp_(state, current, weight)

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from another one's `state`; raises KeyError or RuntimeError if it is of another network."""
        for name, tensor in self.state.items():
            tensor.copy_(state[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While the block runs, the network is the average."""
        kept = {name: self._current[name].clone() for name in self._averaged}
        self._write(self.state)
        try:
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, state: dict[str, Tensor]) -> None:
        for name in self._averaged:
            self._current[name].copy_(state[name])
