"""Whole training steps as one CUDA graph each: recorded once per network, then replayed.

A step of a small network is hundreds of kernels that take less long than Python takes to issue them. A
replay issues all of them at once. It runs the same kernels on the same addresses again, so all that changes
from step to step must lie in tensors that stay where they are: inputs, labels, the share of a mixture, the
learning rate (and the progress of drop path, `layers.drop_path`). Batches of another size, as an epoch's last
one may be, are trained step by step.

A network is recorded after a few steps, and its graph kept only if 20 replays take less time than 20 steps.
What was decided is logged, for `debug.log`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from popnas.placement import Placement
from popnas.printable import counted
from popnas.training import optimizers
from popnas.training.accelerated.xla import XlaStepper
from popnas.training.interfaces import Loss, TrainableNetwork
from popnas.training.parallel import Team
from popnas.training.settings import TrainingSettings
from popnas.training.stepper import PreparedBatch, Stepped, Stepper

_LOG = logging.getLogger("popnas.training")

LEAST_STEPS = 1000
"""Of a training: recording and trying takes about as long as a hundred steps."""
_NUM_EAGER = 3
"""Steps before a network is recorded: the optimizer has its state then, and libraries are loaded."""
_NUM_TIMED, _NUM_UNTIMED, _NUM_FIRST_TIMED = 20, 2, 3
_LONGEST_SECONDS = 0.05
"""A step that takes longer computes for most of it, and another 40 of them are not tried."""
_LEAST_GAIN = 1.05
_NUM_WARM_UPS = 3
_RECORDED_OPTIMIZERS = (torch.optim.Adam, torch.optim.SGD)
"""With what derives from them (`AdamW`, `SGDW`). Their fused kernels take the rate as a tensor and keep all
state on the device. `RAdam` and Lookahead count steps in Python, and updates of scaled gradients may be left
out: there forward and backward pass are recorded, and the update is not."""
_OWN_PACKAGES = ("popnas", "torch")

Replay = Callable[[], None]
Run = Callable[[bool], Stepped]
"""A step on static tensors; whether it is being recorded."""


class Recorder(Protocol):
    """What records a step."""

    def record(self, run: Run) -> tuple[Replay, Stepped]:
        """Run a step a few times, then record it: what replays it, and the tensors in which each replay
        leaves what came of it.

        Raises:
            RuntimeError: it cannot be recorded.
        """


class CudaRecorder:
    """Records CUDA graphs (`torch.cuda.CUDAGraph`)."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def record(self, run: Run) -> tuple[Replay, Stepped]:
        """See `Recorder`."""
        with torch.cuda.device(self._device):
            own, aside = torch.cuda.current_stream(), torch.cuda.Stream()
            aside.wait_stream(own)
            with torch.cuda.stream(aside):  # libraries set up scratch memory per stream
                for _ in range(_NUM_WARM_UPS):
                    run(False)
            own.wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # `stream(own)`: a recording that fails at its end leaves its stream in place, where nothing waits
            # for the other one. `stream=aside`: torch's own is of the device that recorded first. Other
            # threads of this process read ahead, and pin memory for it meanwhile.
            recording = torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local")
            with torch.cuda.stream(own), recording:
                stepped = run(True)
        return graph.replay, stepped


def make_stepper(
    network: TrainableNetwork,
    loss: Loss,
    settings: TrainingSettings,
    placement: Placement,
    num_steps: int,
    team: Team | None = None,
) -> Stepper:
    """What trains a network for so many steps: recorded where that may pay, else step by step."""
    if placement.device.type != "cuda":
        return plain_stepper(network, loss, settings, placement, team)
    if (why := why_not(network, loss, settings, num_steps, team)) is not None:
        _LOG.info("Not a CUDA graph: %s.", why)
        return plain_stepper(network, loss, settings, placement, team)
    return GraphedStepper(network, loss, settings, placement, CudaRecorder(placement.device))


def plain_stepper(
    network: TrainableNetwork,
    loss: Loss,
    settings: TrainingSettings,
    placement: Placement,
    team: Team | None = None,
) -> Stepper:
    """What trains a network step by step."""
    if placement.device.type == "xla":
        return XlaStepper(network, loss, settings, placement, team)
    if settings.is_compiled:
        from popnas.training.accelerated.compiled import CompiledStepper  # seconds of imports

        return CompiledStepper(network, loss, settings, placement, team)
    return Stepper(network, loss, settings, placement, team)


def why_not(
    network: nn.Module, loss: Loss, settings: TrainingSettings, num_steps: int, team: Team | None
) -> str | None:
    """Why steps are not even tried to be recorded, None: they are."""
    if num_steps < LEAST_STEPS:
        return f"{counted(num_steps, 'step')}, and it pays from {LEAST_STEPS:,} on"
    if team is not None:
        return "several devices train the network together"
    if settings.is_compiled:
        return "the network is compiled"
    kinds = {type(module) for module in network.modules()}
    if any(issubclass(kind, nn.RNNBase) for kind in kinds):
        return "recurrent layers are not recorded"
    for kind in (*kinds, type(loss)):
        if kind.__module__.partition(".")[0] not in _OWN_PACKAGES:
            return f"{kind.__name__} is of another package, and may decide in Python what it computes"
    return None


class StaticShare(NamedTuple):
    """As `MixedRows`, with the share in a tensor."""

    y: Tensor
    share: Tensor


class GraphedStepper(Stepper):
    """A `Stepper` that replays what it has recorded, for batches of the form that comes most."""

    def __init__(
        self,
        network: TrainableNetwork,
        loss: Loss,
        settings: TrainingSettings,
        placement: Placement,
        recorder: Recorder,
    ) -> None:
        super().__init__(network, loss, settings, placement)
        self._recorder = recorder
        self._graph: _Graph | None = None
        self._seen: Counter[Hashable] | None = Counter()

    @property
    def is_recorded(self) -> bool:
        """Whether steps are replayed."""
        return self._graph is not None

    @property
    def updates_recorded(self) -> bool:
        """Whether the optimizer's update is part of what is recorded."""
        return self.scaler is None and isinstance(self.optimizer, _RECORDED_OPTIMIZERS)

    def prepared(self, batch: object) -> PreparedBatch:
        """See `Stepper`; decides, once, whether steps are to be replayed: no clock runs here."""
        found = super().prepared(batch)  # type: ignore[arg-type]
        if self.network.training and self._seen is not None and self._seen[_form(found)] >= _NUM_EAGER:
            self._seen = None
            self._decide(found)
        return found

    def step(self, batch: PreparedBatch, rate: float) -> Stepped:
        """See `Stepper`. What a replay leaves is overwritten by the next one."""
        if self._graph is None or not self._graph.takes(batch):
            if self._seen is not None:
                self._seen[_form(batch)] += 1
            return super().step(batch, rate)
        optimizers.set_rate(self.optimizer, rate)  # what a snapshot holds
        stepped = self._graph.step(batch, rate)
        if not self.updates_recorded:
            for weight, gradient in zip(self.network.parameters(), self._graph.gradients, strict=True):
                weight.grad = gradient
            self.update()
        return stepped

    # --- recording

    def _decide(self, batch: PreparedBatch) -> None:
        try:
            with self._undone():
                self._graph, why = self._tried(batch)
        except RuntimeError as error:
            why = f"it cannot be recorded: {str(error).partition(chr(10))[0]}"
        if self._graph is None:
            _LOG.info("Not a CUDA graph: %s.", why)
        else:
            left = (
                "" if self.updates_recorded else f", but for the updates of {type(self.optimizer).__name__}"
            )
            _LOG.info("A CUDA graph%s: %s.", left, why)

    def _tried(self, batch: PreparedBatch) -> tuple[_Graph | None, str]:
        """The graph if it is faster, and how fast it is."""

        def eager() -> None:
            self._run(batch)

        seconds = self._seconds(eager, _NUM_FIRST_TIMED)
        if seconds > _LONGEST_SECONDS:
            return None, f"a step takes {1e3 * seconds:.3g} ms, most of which it computes"
        seconds = self._seconds(eager, _NUM_TIMED)
        graph = _Graph(self, batch)
        replayed = self._seconds(graph.replay, _NUM_TIMED)
        why = f"{1e3 * replayed:.3g} ms a replay, {1e3 * seconds:.3g} ms a step"
        return (graph if _LEAST_GAIN * replayed < seconds else None), why

    def _seconds(self, run: Callable[[], None], number: int) -> float:
        for _ in range(_NUM_UNTIMED):
            run()
        self._wait()
        began = time.perf_counter()
        for _ in range(number):
            run()
        self._wait()
        return (time.perf_counter() - began) / number

    def _wait(self) -> None:
        if self.placement.device.type == "cuda":
            torch.cuda.synchronize(self.placement.device)

    def _run(self, batch: PreparedBatch) -> Stepped:
        """What is recorded."""
        self.release_gradients()
        stepped = self.differentiated(batch)
        if self.updates_recorded:
            self.update()
        return stepped

    def record(self, inputs: PreparedBatch, rate: Tensor) -> tuple[Replay, Stepped, list[Tensor | None]]:
        """What replays a step on these tensors, what each replay leaves, and the gradients in it."""

        def run(is_recorded: bool) -> Stepped:
            with self._rate_in(rate, is_recorded):
                return self._run(inputs)

        replay, stepped = self._recorder.record(run)
        gradients = [weight.grad for weight in self.network.parameters()]
        self.release_gradients()
        return replay, stepped, gradients

    @contextmanager
    def _rate_in(self, rate: Tensor, is_recorded: bool) -> Iterator[None]:
        """While the block runs, the optimizer reads its rate there. Afterwards it is as before: replays run
        none of its code, and it makes updates of its own for batches of other sizes."""
        groups = self.optimizer.param_groups
        before = [(group["lr"], group.get("capturable")) for group in groups]

        def tell(rates: Iterable[tuple[float | Tensor, bool | None]]) -> None:
            for group, (told, is_capturable) in zip(groups, rates, strict=True):
                group["lr"] = told
                if is_capturable is not None:
                    group["capturable"] = is_capturable

        if self.updates_recorded:
            tell((rate, None if known is None else is_recorded) for _, known in before)
        try:
            yield
        finally:
            tell(before)

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """What is trained and drawn in the block counts for nothing, at the same addresses."""
        states = [value for state in self.optimizer.state.values() for value in state.values()]
        tensors = [value for value in states if isinstance(value, Tensor)] if self.updates_recorded else []
        tensors += self.network.state_dict().values()
        before = [tensor.clone() for tensor in tensors]
        device = self.placement.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            try:
                yield
            finally:
                self.release_gradients()
                with torch.no_grad():
                    for tensor, kept in zip(tensors, before, strict=True):
                        tensor.copy_(kept)


class _Graph:
    """A recorded step with the tensors that it reads."""

    def __init__(self, stepper: GraphedStepper, batch: PreparedBatch) -> None:
        mixed = batch.mixed
        self._form = _form(batch)
        self._inputs = PreparedBatch(
            batch.x.clone(),
            batch.y.clone(),
            None if batch.lengths is None else batch.lengths.clone(),
            None if mixed is None else StaticShare(mixed.y.clone(), batch.x.new_tensor(mixed.share)),  # type: ignore[arg-type]
        )
        self._rate = batch.x.new_tensor(float(stepper.optimizer.param_groups[0]["lr"]))
        self.replay, self._stepped, self.gradients = stepper.record(self._inputs, self._rate)

    def takes(self, batch: PreparedBatch) -> bool:
        """Whether the batch is of the form that was recorded."""
        return _form(batch) == self._form

    def step(self, batch: PreparedBatch, rate: float) -> Stepped:
        """Replay the step with this batch."""
        self._rate.fill_(rate)
        static, mixed = self._inputs, batch.mixed
        static.x.copy_(batch.x)
        static.y.copy_(batch.y)
        if static.lengths is not None and batch.lengths is not None:
            static.lengths.copy_(batch.lengths)
        if static.mixed is not None and mixed is not None:
            static.mixed.y.copy_(mixed.y)
            static.mixed.share.fill_(mixed.share)  # type: ignore[attr-defined]
        self.replay()
        return self._stepped


def _form(batch: PreparedBatch) -> Hashable:
    """What batches have in common that a recorded step can take."""
    return batch.x.shape, batch.x.stride(), batch.y.shape, batch.lengths is None, batch.mixed is None
