"""One optimizer step, and one forward pass, of one network on one device."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from popnas.placement import Placement
from popnas.training import optimizers
from popnas.training.interfaces import DeviceBatch, Loss, MixedIn, TrainableNetwork
from popnas.training.parallel import Team
from popnas.training.settings import TrainingSettings

Forward = Callable[[Tensor, Tensor | None], tuple[Tensor, ...]]
"""Input and lengths -> each head's logits."""


class PreparedBatch(NamedTuple):
    """A batch that `Stepper.prepared` has laid out."""

    x: Tensor
    y: Tensor
    lengths: Tensor | None
    mixed: MixedIn | None = None


class MixedRows(NamedTuple):
    """Rows of a `MixedIn`."""

    y: Tensor
    share: float


class Stepped(NamedTuple):
    """What a step leaves, still on the device and without a graph: the loss, and each head's logits."""

    loss: Tensor
    outputs: tuple[Tensor, ...]


class Stepper:
    """A network with its optimizer, in the precision that it is trained in."""

    is_compiled = False
    """Whether what a form of batch costs only the first time is paid by `rehearse`."""

    def __init__(
        self,
        network: TrainableNetwork,
        loss: Loss,
        settings: TrainingSettings,
        placement: Placement,
        team: Team | None = None,
    ) -> None:
        self.network = network
        self.team = team
        self.loss = loss if team is None else team.loss_of(loss)
        self.placement = placement
        self.optimizer = optimizers.make(network.parameters(), settings)
        self.precision = placement.precision()
        # float16 gradients underflow unless scaled; bfloat16 has the exponents of float32.
        is_scaled = placement.autocast == torch.float16
        self.scaler = optimizers.scaler_for(self.optimizer, placement.device) if is_scaled else None
        self._forward: Forward = network
        self._head_weights = network.head_weights

    def prepared(self, batch: DeviceBatch) -> PreparedBatch:
        """The batch, of one that a team shares this process's rows, with its input in the layout that the
        network computes in."""
        x, y, lengths, mixed = batch.x, batch.y, batch.lengths, getattr(batch, "mixed", None)
        if self.team is not None:
            rows = self.team.take(len(y))
            x, y = x[rows], y[rows]
            lengths = None if lengths is None else lengths[rows]
            mixed = None if mixed is None else MixedRows(mixed.y[rows], mixed.share)
        return PreparedBatch(self.placement.laid_out(x), y, lengths, mixed)

    def step(self, batch: PreparedBatch, rate: float) -> Stepped:
        """Forward, backward and update with learning rate `rate`."""
        optimizers.set_rate(self.optimizer, rate)
        stepped = self.differentiated(batch)
        self.update()
        return stepped

    def differentiated(self, batch: PreparedBatch) -> Stepped:
        """Forward and backward: the weights have their gradients."""
        with self.precision:
            outputs = self._forward(batch.x, batch.lengths)
            loss = self.loss_of(outputs, batch)
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        self._sum_gradients()
        return Stepped(loss.detach(), tuple(logits.detach() for logits in outputs))

    def update(self) -> None:
        """The weights after their gradients."""
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def _sum_gradients(self) -> None:
        if self.team is not None:
            self.team.sum_gradients(self.network.parameters())

    def rehearse(self, batch: PreparedBatch) -> None:
        """All that a step computes, once, with no effect on weights and statistics."""

    def release_gradients(self) -> None:
        """Drop the gradients: after every step, when its clock has stopped."""
        self.optimizer.zero_grad(set_to_none=True)

    def predict(self, batch: PreparedBatch) -> tuple[Tensor, ...]:
        """Each head's logits."""
        with self.precision:
            return self._forward(batch.x, batch.lengths)

    def loss_of(self, outputs: tuple[Tensor, ...], batch: PreparedBatch) -> Tensor:
        """What training minimises: the mean loss of a batch, of all heads by their weights."""
        if len(outputs) == 1 and self._head_weights == (1.0,):
            return self._loss_of(outputs[0], batch)
        heads = zip(self._head_weights, outputs, strict=True)
        return torch.stack([weight * self._loss_of(logits, batch) for weight, logits in heads]).sum()

    def _loss_of(self, logits: Tensor, batch: PreparedBatch) -> Tensor:
        """Of mixed examples that of both classes: as with one soft label, in which losses are linear."""
        loss, mixed = self.loss(logits, batch.y), batch.mixed
        if mixed is None:
            return loss
        return (1.0 - mixed.share) * loss + mixed.share * self.loss(logits, mixed.y)
