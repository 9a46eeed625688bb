"""One network trained by several processes, each on a device of its own and with its part of every batch.

Every process makes the same batches (same order, same augmentation) and takes its rows of them; batch
normalisation and random layers look at the whole batch (`layers.portion`), and gradients are summed before
each step. So all of them hold the same weights, which are those of a single process with that batch size, up
to rounding. A last batch with fewer examples than processes is computed by all of them, whole.

`torch.distributed` with NCCL between GPUs and gloo between CPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from popnas.layers.portion import Portion, set_portion
from popnas.placement import Placement, has_units_for
from popnas.training.interfaces import Loss, Metrics

_TYPES = (None, torch.bfloat16, torch.float16)


class ProcessLostError(Exception):
    """Another process of the training is gone; which one, and why, only who started them knows."""


class Team:
    """The processes that train one network together, as one of them sees them: the one of `number`, from 0,
    of `size`, on `device`."""

    def __init__(self, number: int, size: int, device: torch.device) -> None:
        self.number, self.size, self.device = number, size, device
        self.portion = Portion(number, size, self.total)

    @property
    def is_leader(self) -> bool:
        """Whether this is the process that writes down what comes of the training."""
        return self.number == 0

    # --- what is summed

    def total(self, x: Tensor) -> Tensor:
        """The sum of equally shaped tensors of all processes, a new one; equal to the bit in each.

        Raises:
            ProcessLostError: one of them is gone.
        """
        found = x.clone(memory_format=torch.contiguous_format)
        try:
            distributed.all_reduce(found)
        except RuntimeError as error:
            raise ProcessLostError(str(error)) from error
        return found

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace all gradients by their sums: in one message, as networks are small."""
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        if not gradients:
            return
        summed = self.total(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        parts = summed.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def sum_metrics(self, heads: Sequence[Metrics]) -> None:
        """Let accumulators hold what all processes have counted."""
        for metrics in heads:
            metrics.sum_up(self.total, self.device)

    def sum_number(self, value: float) -> float:
        """The sum of a number."""
        # float64: counts of pixels and sums of losses are exact, or nearly so.
        return float(self.total(torch.tensor(value, dtype=torch.float64, device=self.device)))

    def as_leader_says(self, answer: bool) -> bool:
        """What the leader answers, in each process."""
        return bool(self.as_leader_has(float(answer)))

    def as_leader_has(self, value: float) -> float:
        """The leader's value, in each process."""
        return self.sum_number(value if self.is_leader else 0.0)

    def agreed(self, placement: Placement) -> Placement:
        """`placement`, with the type of numbers that all processes compute in: the leader's, or float32 where
        a device of another has no units for it. Of unlike GPUs each would take what suits it, and gradients
        that are scaled (float16) cannot be added to those that are not."""
        chosen = _TYPES[round(self.as_leader_has(float(_TYPES.index(placement.autocast))))]
        is_lacking = chosen is not None and not has_units_for(placement.device, chosen)
        return replace(placement, autocast=None if self.sum_number(float(is_lacking)) else chosen)

    def level(self, network: nn.Module) -> None:
        """What layers of somebody else's have gathered by themselves (running statistics) becomes what the
        leader has."""
        buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        if not buffers:
            return
        flat = torch.cat([buffer.reshape(-1).float() for buffer in buffers])
        flat = self.total(flat if self.is_leader else torch.zeros_like(flat))
        with torch.no_grad():
            for buffer, part in zip(buffers, flat.split([item.numel() for item in buffers]), strict=True):
                buffer.copy_(part.view(buffer.shape))

    # --- what is shared out

    @contextmanager
    def training(self, network: nn.Module) -> Iterator[None]:
        """While the block runs, the network's layers know that batches are shared."""
        set_portion(network.modules(), self.portion)
        try:
            yield
        finally:
            set_portion(network.modules(), None)

    def take(self, num_examples: int) -> slice:
        """This process's rows of the next batch, which has so many."""
        portion = self.portion
        portion.num_all, portion.is_shared = num_examples, num_examples >= self.size
        if not portion.is_shared:
            portion.first = 0
            return slice(None)
        portion.first = num_examples * self.number // self.size
        return slice(portion.first, num_examples * (self.number + 1) // self.size)

    @property
    def counts(self) -> bool:
        """Whether what this process has computed of the batch counts: of a whole one the leader's does."""
        return self.portion.is_shared or self.is_leader

    def loss_of(self, loss: Loss) -> Loss:
        """A loss that, summed over all processes, is the mean loss of the whole batch."""
        count = getattr(loss, "count", None)

        def shared(logits: Tensor, y: Tensor) -> Tensor:
            if not self.portion.is_shared:
                return loss(logits, y) / self.size
            if count is None:
                return loss(logits, y) * (len(y) / self.portion.num_all)
            number = count(y).double()
            share = number / self.total(number).clamp(min=1)
            return loss(logits, y) * share.to(logits.device, torch.float32)

        return shared


@dataclass(frozen=True)
class Meeting:
    """Where processes find one another: a file that none of them has made yet, in a folder of their own."""

    file: Path
    number: int
    size: int

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[Team]:
        """While the block runs, this process is one of the team.

        Raises:
            ProcessLostError: the others did not come.
        """
        is_cuda = device.type == "cuda"
        if is_cuda:
            torch.cuda.set_device(device)
        # One machine: nothing listens on a network.
        for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(variable, "lo")
        try:
            distributed.init_process_group(
                "nccl" if is_cuda else "gloo",
                init_method=self.file.absolute().as_uri(),
                rank=self.number,
                world_size=self.size,
            )
        except RuntimeError as error:
            raise ProcessLostError(str(error)) from error
        try:
            yield Team(self.number, self.size, device)
        finally:
            distributed.destroy_process_group()
