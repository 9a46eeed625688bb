"""How much memory training a network takes, found without using any: the network is built and run once with
tensors that have shapes and no values, and what the backward pass will need is added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import rnn

from popnas.cells import Cell
from popnas.networks.building import build
from popnas.networks.network import Network
from popnas.networks.spec import NetworkSpec

_SAMPLES = 2
"""Batch normalisation trains on two samples at least."""

_FEW_CELLS = 8
"""Motifs of more normal cells are reckoned from shorter ones: every further cell takes the same."""

_MOST_MOTIFS = 63
"""From here on the number of filters has more than 64 bits."""

_RECURRENT_VALUES: dict[type[nn.Module], int] = {rnn.LSTM: 15, rnn.GRU: 8}
"""Values that a recurrent layer keeps per timestep and unit for its backward pass (gates, states, oneDNN's
workspace), measured on a CPU. Its steps are not run one by one: 100,000 of them would take half an hour.
"""


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that training takes: of all weights, of what one sample's forward pass keeps for the backward
    pass, and of the largest single tensor of it.
    """

    weights: int
    saved_per_sample: int
    largest_per_sample: int

    LARGEST_AT_ONCE = 5
    """Tensors of the largest size that the backward pass holds beside what the forward pass kept."""

    WEIGHT_COPIES = 9
    """Weights, gradients and two moments, the same for the throw-away copy that warms up, and the best
    epoch's."""

    OVERHEAD = 60 * 2**20
    """Kernels and their scratch memory, where there is some."""

    LEAST_SHARE = 0.85
    """The least that was measured of all but the overhead."""

    @property
    def per_sample(self) -> int:
        """What every sample of a batch adds to the peak."""
        return self.saved_per_sample + self.LARGEST_AT_ONCE * self.largest_per_sample

    @property
    def fixed(self) -> int:
        """What does not depend on the batch."""
        return self.WEIGHT_COPIES * self.weights + self.OVERHEAD

    def peak(self, batch_size: int) -> int:
        """What a training at this batch size adds to its process, as it is expected. Over 27 networks of
        more than 200 MiB (images, series, segmentation, all families of operators) the measured peak was
        0.82 to 1.25 times this (`benchmarks/bench_memory.py`).
        """
        return self.fixed + batch_size * self.per_sample

    def least(self, batch_size: int, *, has_mixed_precision: bool = False) -> int:
        """What it takes for certain: no measured training took less. With mixed precision what is kept of
        samples may be of two bytes where it is reckoned with four; weights are not."""
        samples = batch_size * self.per_sample
        if has_mixed_precision:
            samples //= 2
        return int(self.LEAST_SHARE * (self.WEIGHT_COPIES * self.weights + samples))

    def largest_batch(self, room: int) -> int:
        """The most samples in a batch at which training is expected to fit into `room` bytes; 0 for none."""
        return max(int((room - self.fixed) / max(self.per_sample, 1)), 0)


@lru_cache(maxsize=512)
def training_memory(cell: Cell, spec: NetworkSpec) -> TrainingMemory:
    """What training the network of `cell` takes.

    Raises:
        OverflowError: a tensor of it is larger than any number of bytes that a machine can address.
    """
    if spec.normal_cells_per_motif > _FEW_CELLS:
        stride = max(-cell.lookbacks[0], 1) if cell.lookbacks else 1
        short = 2 + (spec.normal_cells_per_motif - 2) % stride
        first, second = (
            training_memory(cell, spec.replace(normal_cells_per_motif=number))
            for number in (short, short + stride)
        )
        steps = (spec.normal_cells_per_motif - short) // stride
        return TrainingMemory(
            first.weights + steps * (second.weights - first.weights),
            first.saved_per_sample + steps * (second.saved_per_sample - first.saved_per_sample),
            max(first.largest_per_sample, second.largest_per_sample),
        )
    return _traced(cell, spec)


def _traced(cell: Cell, spec: NetworkSpec) -> TrainingMemory:
    if spec.motifs > _MOST_MOTIFS:
        raise OverflowError(f"filters doubled {spec.motifs - 1} times")
    from torch._subclasses.fake_tensor import FakeTensorMode

    try:
        with FakeTensorMode():
            network = build(cell, spec).train()
            weights = 4 * sum(weight.numel() for weight in network.parameters())
            sizes = _saved(network, spec)
    except RuntimeError as error:
        if "overflow" in str(error).lower():
            raise OverflowError(str(error)) from error
        raise
    return TrainingMemory(weights, sum(sizes) // _SAMPLES, max(sizes, default=0) // _SAMPLES)


def _saved(network: Network, spec: NetworkSpec) -> list[int]:
    """Bytes of every tensor that a forward pass of `_SAMPLES` samples keeps beside the weights."""
    own = {weight.untyped_storage()._cdata for weight in network.parameters()}
    found: dict[int, tuple[Tensor, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            # The tensor is kept, or its storage's address would be given to another one.
            found[storage._cdata] = (tensor, storage.nbytes())
        return tensor

    x = torch.zeros((_SAMPLES, spec.input_channels, *spec.input_size))
    lengths_B = torch.full((_SAMPLES,), spec.input_size[0]) if spec.has_lengths else None
    with _recurrence_skipped(network) as skipped:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            outputs = network(x, lengths_B)
        logits = [tensor.untyped_storage().nbytes() for tensor in outputs]
    # The loss makes the logarithms of the logits' softmax, and their gradient.
    return [size for _, size in found.values()] + skipped + [2 * size for size in logits]


@contextmanager
def _recurrence_skipped(network: nn.Module) -> Iterator[list[int]]:
    """Let recurrent layers answer at once; yields the list that gets what they would keep, in bytes."""
    kept: list[int] = []

    def forward(layer: nn.RNNBase, values: int, x_BLC: Tensor) -> tuple[Tensor, Any]:
        y_BLF = x_BLC.new_zeros((*x_BLC.shape[:2], layer.hidden_size)).requires_grad_()
        kept.extend([y_BLF.untyped_storage().nbytes()] * values)
        return y_BLF, None

    for layer in network.modules():
        for kind, values in _RECURRENT_VALUES.items():
            if isinstance(layer, kind):
                layer.forward = lambda x, layer=layer, values=values: forward(layer, values, x)
    yield kept
