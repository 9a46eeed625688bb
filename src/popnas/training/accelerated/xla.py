"""TPUs, through torch-xla, which compiles what was asked of tensors as one program at each `sync`.

A program is compiled once per form, in seconds, so every step must ask for the same: batches of equal shapes
arrive from the CPU, where they are made (picked from data on the device, each would be a program of its own:
positions are part of programs), optimizers have their state before the first step, and rates are
tensors, or at least not 0 (0 and 1 are part of programs, too; other numbers are handed to them).

torch-xla is imported only where it is asked for. Nobody has run this on a TPU: its programs were tried on
CPUs (`PJRT_DEVICE=CPU`).
"""

from __future__ import annotations

import os
import time
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from popnas import files
from popnas.errors import UserError
from popnas.placement import Placement
from popnas.training import optimizers
from popnas.training.interfaces import DeviceBatch, Loss, TrainableNetwork
from popnas.training.parallel import Team
from popnas.training.settings import TrainingSettings
from popnas.training.stepper import MixedRows, PreparedBatch, Stepped, Stepper

DEVICE = "xla:0"
"""The first core: a process drives several only by a program of its own for each."""
LEAST_RATE = 1e-12
"""Instead of 0: moves no weight, as float32 has seven digits."""
COMPILING_SECONDS = 120.0
"""What a plan reckons a network's programs to take; see docs/log.md."""
_CHOICE = "PJRT_DEVICE"


def is_installed() -> bool:
    """Whether torch-xla is; it may still not go with this PyTorch."""
    return find_spec("torch_xla") is not None


@cache
def why_not() -> str | None:
    """Why no TPU can be had in this process, as the end of a sentence; None if one can, or what the user has
    named in `PJRT_DEVICE` instead."""
    how = "Install popnas[tpu] in an environment of its own, without constraints.txt (docs: GPUs, 'TPU')"
    if not is_installed():
        return f"cannot be had: it needs the package torch-xla, which is not installed. {how}"
    is_chosen = _CHOICE in os.environ
    # Else a step writes over the memory of weights that others may still be read from: a copy that has not
    # run yet, or that torch-xla made by sharing.
    os.environ.setdefault("XLA_ENABLE_PARAM_ALIASING", "0")
    try:
        from torch_xla import runtime
    except (ImportError, OSError) as error:
        return f"cannot be had: torch-xla does not go with PyTorch {torch.__version__} " + (
            f"({files.reason(error)}). {how}"
        )
    kind = runtime.device_type()
    if is_chosen or kind == "TPU":
        return None
    # torch-xla writes its own choice there, which processes to come would inherit.
    os.environ.pop(_CHOICE, None)
    return (
        f"cannot be had: torch-xla finds no TPU. {_CHOICE}=CPU in the environment tries its programs on a CPU"
    )


@cache
def check_trains() -> None:
    """Open the TPU, for a process that is going to train, and try a backward pass.

    PyTorch counts the devices at the first backward pass of a process, on whichever it is, and sees those of
    torch-xla once they are open (imported is not enough). It cannot be asked whether that pass was.

    Raises:
        UserError: this process cannot train there.
    """
    import torch_xla  # noqa: F401

    try:
        torch.ones((), device=DEVICE, requires_grad=True).square().backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        why = files.reason(error)
        if "device_ready_queues_" in why:
            why = "PyTorch trained something here before the TPU was opened"
        raise UserError(
            f"others.train_strategy: 'TPU' cannot be had in this process: {why}. Start a new process (in a "
            "notebook: restart the kernel) in which popnas is the first to train, with no other one on the "
            "TPU."
        ) from error


def now() -> float:
    """What a wall clock tells when all that was asked for is done, in seconds; it stands while programs are
    compiled."""
    from torch_xla.core import xla_model
    from torch_xla.debug import metrics

    sync()
    xla_model.wait_device_ops()
    compiled = metrics.metric_data("CompileTime")  # (programs, nanoseconds, the last ones), None before any
    return time.perf_counter() - (compiled[1] * 1e-9 if compiled else 0.0)


def sync() -> None:
    """Have all that was asked for compiled, if that is new, and begun."""
    import torch_xla

    torch_xla.sync()


def _seed() -> None:
    """What is drawn next on the device follows from the CPU's generator: left to itself, the device's own
    goes on with every `sync`, drawn from or not."""
    from torch_xla.core import xla_model

    xla_model.set_rng_state(int(torch.randint(2**31, ())))


def on_host(values: Any) -> Any:
    """A tree of tensors on the CPU."""
    return tree_map_only(Tensor, Tensor.cpu, values)


class XlaStepper(Stepper):
    """A stepper whose steps are one program."""

    def __init__(
        self,
        network: TrainableNetwork,
        loss: Loss,
        settings: TrainingSettings,
        placement: Placement,
        team: Team | None = None,
    ) -> None:
        assert team is None, "a TPU trains alone"
        super().__init__(network, loss, settings, placement)
        self._lay_out_state()

    def prepared(self, batch: DeviceBatch) -> PreparedBatch:
        """See `Stepper.prepared`; on the device."""
        sync()  # what was counted of the batch before is no part of the step
        x, y, lengths, mixed = super().prepared(batch)
        device = self.placement.device
        if mixed is not None:
            # A share as a tensor: 0 and 1 would be programs of their own.
            mixed = MixedRows(mixed.y.to(device), torch.tensor(mixed.share).to(device))  # type: ignore[arg-type]
        return PreparedBatch(
            x.to(device), y.to(device), None if lengths is None else lengths.to(device), mixed
        )

    def step(self, batch: PreparedBatch, rate: float) -> Stepped:
        """See `Stepper.step`."""
        sync()  # the progress of drop path
        _seed()
        stepped = super().step(batch, self._told(rate))
        self.release_gradients()  # lest they become results of the program
        sync()
        return stepped

    def _told(self, rate: float) -> Any:
        """A tensor where the optimizer takes one: what follows from a number may be 1 in float32."""
        rate = max(rate, LEAST_RATE)
        if isinstance(optimizers.without_lookahead(self.optimizer), torch.optim.SGD):
            return rate
        return torch.tensor(rate).to(self.placement.device)

    @torch.no_grad()
    def _lay_out_state(self) -> None:
        """The optimizer's state as before a first step, all zeros, which it would make in that step."""
        optimizer = optimizers.without_lookahead(self.optimizer)
        weights = list(self.network.parameters())
        before = [weight.clone() for weight in weights]
        for weight in weights:
            weight.grad = torch.zeros_like(weight)
        optimizers.set_rate(optimizer, self._told(LEAST_RATE))
        optimizer.step()
        self.release_gradients()
        for state in optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):
                    value.zero_()
        for weight, kept in zip(weights, before, strict=True):
            weight.copy_(kept)
        sync()
