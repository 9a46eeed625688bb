"""Steps of a network that `torch.compile` compiles; as it is where that fails."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from popnas.placement import Placement
from popnas.runs import told
from popnas.training.interfaces import Loss, TrainableNetwork
from popnas.training.parallel import Team
from popnas.training.settings import TrainingSettings
from popnas.training.stepper import PreparedBatch, Stepped, Stepper


class CompiledStepper(Stepper):
    """A `Stepper` whose network is compiled at the first batch of each form."""

    is_compiled = True

    def __init__(
        self,
        network: TrainableNetwork,
        loss: Loss,
        settings: TrainingSettings,
        placement: Placement,
        team: Team | None = None,
    ) -> None:
        super().__init__(network, loss, settings, placement, team)
        # Programs of all networks of a process count together, and after eight none is compiled any more:
        # those of networks that are gone must not count.
        torch.compiler.reset()
        self._compiled = torch.compile(network)
        self._forward = self._compiled_forward

    def rehearse(self, batch: PreparedBatch) -> None:
        """See `Stepper`."""
        buffers = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        try:
            self._rehearse(batch)
        except TorchDynamoException as error:  # of the backward pass, which is compiled when it is needed
            self._give_up(error)
            self._rehearse(batch)
        self.release_gradients()
        with torch.no_grad():
            for name, buffer in self.network.named_buffers():
                buffer.copy_(buffers[name])

    def _rehearse(self, batch: PreparedBatch) -> None:
        with self.precision:
            loss = self.loss_of(self._forward(batch.x, batch.lengths), batch)
        loss.backward()

    def differentiated(self, batch: PreparedBatch) -> Stepped:
        """See `Stepper`. A form of batch that was not rehearsed compiles its backward pass here; where that
        fails, this batch counts twice in running statistics, and draws its dropout anew."""
        try:
            return super().differentiated(batch)
        except TorchDynamoException as error:
            self._give_up(error)
        self.release_gradients()
        return super().differentiated(batch)

    def _compiled_forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, ...]:
        try:
            return tuple(self._compiled(x, lengths))
        except TorchDynamoException as error:
            self._give_up(error)
            return self._forward(x, lengths)

    def _give_up(self, error: TorchDynamoException) -> None:
        """Go on without compiling."""
        self._forward = self.network
        cause = getattr(error, "inner_exception", error)
        what = str(cause).strip().partition("\n")[0]
        told.warning(
            "others.enable_XLA_compilation: a network could not be compiled here, and is trained as it is: "
            f"{type(cause).__name__}: {what}. Compiling needs a C compiler, on a GPU also the headers of "
            "Python, and a GPU that Triton knows"
        )
