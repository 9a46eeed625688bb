"""Steps that are recorded and replayed, on a stand-in for CUDA graphs (`tape`)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest import mock

import pytest
import torch
from tests.unit.training.accelerated.tape import TapeRecorder
from torch import Tensor, nn
from torch.nn import functional

from popnas import networks
from popnas.cells import Cell
from popnas.config.optimizers import OptimizerSpec
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.tasks._class_metrics import ClassificationLoss
from popnas.training import TrainingSettings
from popnas.training.accelerated import graphed
from popnas.training.accelerated.graphed import GraphedStepper
from popnas.training.settings import LookaheadSettings
from popnas.training.stepper import PreparedBatch, Stepped, Stepper

CPU = Placement(torch.device("cpu"))
CELL = Cell.parse("[(-1, 3x3 dconv, -2, 2x2 avgpool);(0, identity, -1, 3x3 conv)]")
SPEC = NetworkSpec("classification", (8, 8, 3), 4, filters=4, motifs=2, normal_cells_per_motif=1)
SETTINGS = TrainingSettings(epochs=2, learning_rate=0.01, weight_decay=0.01)


class Mixed(NamedTuple):
    y: Tensor
    share: float


class Batch(NamedTuple):
    x: Tensor
    y: Tensor
    lengths: Tensor | None = None
    mixed: Mixed | None = None


def batches(number: int, *, is_mixed: bool = False, last: int = 8) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(1)
    for index in range(number):
        size = last if index % 6 == 5 else 8
        x = torch.randn((size, 3, 8, 8), generator=generator)
        y = torch.randint(4, (size,), generator=generator)
        share = 0.05 * (index % 10)  # another one each time
        yield Batch(x, y, None, Mixed(y.roll(1), share) if is_mixed else None)


def made(kind: type[Stepper], settings: TrainingSettings, spec: NetworkSpec = SPEC, **options: Any) -> Any:
    torch.manual_seed(3)
    network = networks.build(CELL, spec)
    network.train()
    return kind(network, ClassificationLoss(0.1), settings, CPU, **options)


def trained(stepper: Any, found: Iterator[Batch]) -> tuple[list[float], dict[str, Tensor]]:
    """Losses and weights; the rate and the progress of drop path are others in each step."""
    losses = []
    for step, batch in enumerate(found):
        torch.manual_seed(step)  # so that recording and trying, which draw too, show if they are not undone
        prepared = stepper.prepared(batch)
        stepper.network.set_progress(step / 20)
        losses.append(stepper.step(prepared, 0.02 / (step + 1)).loss.item())
        stepper.release_gradients()
    return losses, stepper.network.state_dict()


def recorded(settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch, **options: Any) -> GraphedStepper:
    """One whose recording is kept, however fast: on a CPU a replay of this kind is none."""
    monkeypatch.setattr(graphed, "_LEAST_GAIN", 0.0)
    monkeypatch.setattr(graphed, "_LONGEST_SECONDS", 60.0)  # a busy machine
    monkeypatch.setattr(graphed, "_NUM_TIMED", 2)
    return made(GraphedStepper, settings, recorder=TapeRecorder(), **options)


OPTIMIZERS = {
    "adamW": SETTINGS,
    "adam": SETTINGS.replace(optimizer=OptimizerSpec("adam")),
    "SGDW": SETTINGS.replace(optimizer=OptimizerSpec("SGDW", momentum=0.9)),
    "SGD": SETTINGS.replace(optimizer=OptimizerSpec("SGD", momentum=0.9)),
    "SGD without momentum": SETTINGS.replace(optimizer=OptimizerSpec("SGD")),
    "radam": SETTINGS.replace(optimizer=OptimizerSpec("radam")),
    "lookahead": SETTINGS.replace(lookahead=LookaheadSettings(3, 0.5)),
}


@pytest.mark.parametrize(("name", "is_mixed"), [("adamW", True), *((name, False) for name in OPTIMIZERS)])
def test_replays_train_what_steps_train(name: str, is_mixed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPEC.replace(drop_path=0.4, softmax_dropout=0.2)
    plain, other = made(Stepper, OPTIMIZERS[name], spec), recorded(OPTIMIZERS[name], monkeypatch, spec=spec)
    wanted = trained(plain, batches(20, is_mixed=is_mixed, last=5))
    found = trained(other, batches(20, is_mixed=is_mixed, last=5))
    assert other.is_recorded and other.updates_recorded == (name not in ("radam", "lookahead"))
    assert other._recorder.replays == graphed._NUM_TIMED + graphed._NUM_UNTIMED + 20 - 3 - 3  # 3 smaller ones
    assert found[0] == pytest.approx(wanted[0], rel=1e-4)
    for weight, tensor in wanted[1].items():
        torch.testing.assert_close(found[1][weight], tensor, rtol=1e-3, atol=1e-5)


def test_that_a_number_of_python_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in replays what a step has read from Python: else the test above could not fail."""
    stepper = recorded(SETTINGS, monkeypatch)
    monkeypatch.setattr(graphed, "StaticShare", lambda y, share: Mixed(y, float(share)))
    with pytest.raises(AttributeError, match="fill_"):
        trained(stepper, batches(6, is_mixed=True))
    recorder, x, factor = TapeRecorder(), torch.ones(2), 2.0

    def run(is_recorded: bool) -> Any:
        return x * factor

    replay, result = recorder.record(run)
    factor = 3.0
    x.fill_(5.0)
    replay()
    assert result.tolist() == [10.0, 10.0]


def test_a_snapshot_is_that_of_a_plain_training(monkeypatch: pytest.MonkeyPatch) -> None:
    stepper = recorded(SETTINGS, monkeypatch)
    trained(stepper, batches(8))
    state = stepper.optimizer.state_dict()
    (group,) = state["param_groups"]
    assert group["lr"] == 0.02 / 8 and type(group["lr"]) is float and not group["capturable"]
    assert {float(value["step"]) for value in state["state"].values()} == {8.0}


def test_what_is_slower_recorded_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(graphed, "_LONGEST_SECONDS", 60.0)
    slow = TapeRecorder(before=lambda: time.sleep(0.3))
    monkeypatch.setattr(graphed, "_NUM_TIMED", 2)
    stepper = made(GraphedStepper, SETTINGS, recorder=slow)
    plain = made(Stepper, SETTINGS)
    with caplog.at_level(logging.INFO, "popnas"):
        found, wanted = (trained(each, batches(8)) for each in (stepper, plain))
    assert not stepper.is_recorded and "Not a CUDA graph: " in caplog.text and "ms a replay" in caplog.text
    assert found[0] == wanted[0]
    assert all(torch.equal(found[1][name], tensor) for name, tensor in wanted[1].items())


def test_what_takes_long_anyway_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stepper = recorded(SETTINGS, monkeypatch)
    monkeypatch.setattr(graphed, "_LONGEST_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, "popnas"):
        trained(stepper, batches(6))
    assert not stepper.is_recorded and stepper._recorder.replays == 0 and "most of which" in caplog.text


def test_what_cannot_be_recorded_stays_as_it_is_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def reads_back(logits: Tensor, y: Tensor) -> Tensor:
        loss = functional.cross_entropy(logits, y)
        return loss if loss.item() > 0 else -loss

    stepper, plain = recorded(SETTINGS, monkeypatch), made(Stepper, SETTINGS)
    stepper.loss = plain.loss = reads_back
    with caplog.at_level(logging.INFO, "popnas"):
        found, wanted = (trained(each, batches(8)) for each in (stepper, plain))
    assert not stepper.is_recorded and "cannot be recorded: operation not permitted" in caplog.text
    assert all(torch.equal(found[1][name], tensor) for name, tensor in wanted[1].items())


class Foreign(nn.Module):
    """Of another package."""


Foreign.__module__ = "somebody.layers"


@pytest.mark.parametrize(
    ("module", "changes", "num_steps", "team", "why"),
    [
        (nn.Linear(1, 1), {}, 1000, None, None),
        (nn.Linear(1, 1), {}, 999, None, "999 steps, and it pays"),
        (nn.Linear(1, 1), {"is_compiled": True}, 1000, None, "compiled"),
        (nn.Linear(1, 1), {}, 1000, object(), "several devices"),
        (nn.Sequential(nn.LSTM(1, 1)), {}, 1000, None, "recurrent"),
        (nn.Sequential(Foreign()), {}, 1000, None, "Foreign is of another package"),
    ],
)
def test_what_is_not_even_tried(
    module: Any, changes: Any, num_steps: int, team: Any, why: str | None
) -> None:
    found = graphed.why_not(module, ClassificationLoss(), SETTINGS.replace(**changes), num_steps, team)
    assert found is None if why is None else why in found


def test_on_a_cpu_steps_are_plain() -> None:
    network = networks.build(CELL, SPEC)
    made = graphed.make_stepper(network, ClassificationLoss(), SETTINGS, CPU, 10**6)
    assert type(made) is Stepper


def test_a_whole_training_is_the_same(train: Any, monkeypatch: pytest.MonkeyPatch, make_loader: Any) -> None:
    """By the loop, with validation, an average of the weights and an epoch's smaller last batch."""
    steppers: list[GraphedStepper] = []

    def make(network: Any, loss: Any, settings: Any, placement: Any, num_steps: int, team: Any) -> Stepper:
        monkeypatch.setattr(graphed, "_LEAST_GAIN", 0.0)
        monkeypatch.setattr(graphed, "_LONGEST_SECONDS", 60.0)
        steppers.append(GraphedStepper(network, loss, settings, placement, TapeRecorder()))
        return steppers[-1]

    settings = SETTINGS.replace(epochs=4, ema_decay=0.9)
    wanted = train(settings)
    monkeypatch.setattr(graphed, "make_stepper", make)
    found = train(settings)
    assert steppers[0].is_recorded
    for name, tensor in wanted.best_state.items():
        torch.testing.assert_close(found.best_state[name], tensor, rtol=1e-3, atol=1e-5)
    assert [item.loss for item in found.epochs] == pytest.approx(
        [item.loss for item in wanted.epochs], rel=1e-4
    )


class _Streams:
    """Of CUDA, as PyTorch's `torch.cuda` has them: which one is current. A recording that fails at its end
    leaves the current one as it is (`torch.cuda.graph.__exit__`)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
        self.own, self.fails = mock.Mock(), fails
        self.current, self.recorded_on = self.own, None
        for name, stand_in in {
            "device": lambda device: nullcontext(),
            "current_stream": lambda: self.current,
            "Stream": mock.Mock,
            "stream": self.on,
            "CUDAGraph": mock.Mock,
            "graph": self.recording,
        }.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)

    @contextmanager
    def on(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def recording(self, graph: Any, stream: Any, capture_error_mode: str) -> Iterator[None]:
        before, self.current, self.recorded_on = self.current, stream, stream
        yield
        if self.fails:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
        self.current = before


@pytest.mark.parametrize("fails", [False, True])
def test_a_recording_leaves_the_stream_as_it_was(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    streams, ran_on = _Streams(monkeypatch, fails=fails), []

    def run(is_recorded: bool) -> Stepped:
        ran_on.append(streams.current)
        return Stepped(torch.zeros(()), ())

    with pytest.raises(RuntimeError, match="during capture") if fails else nullcontext():
        graphed.CudaRecorder(torch.device("cuda:1")).record(run)
    assert streams.current is streams.own
    assert set(ran_on) == {streams.recorded_on}, "a stream of the device itself, set up by the warm-ups"


# --- on a GPU

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU")


@pytest.mark.gpu
@GPU
@pytest.mark.parametrize("autocast", [None, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_gpu_replays_what_it_trains(name: str, autocast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphed, "_LEAST_GAIN", 0.0)
    device = torch.device("cuda:0")
    place, found = Placement(device, None, autocast), []
    for kind in (Stepper, GraphedStepper):
        torch.manual_seed(3)
        network = networks.build(CELL, SPEC).to(device).train()
        options = {"recorder": graphed.CudaRecorder(device)} if kind is GraphedStepper else {}
        stepper = kind(network, ClassificationLoss(0.1), OPTIMIZERS[name], place, **options)
        losses, state = trained(stepper, (_on(batch, device) for batch in batches(20, is_mixed=True, last=5)))
        found.append((losses, state, stepper))
    (wanted, weights, _), (replayed, state, stepper) = found
    assert stepper.is_recorded and stepper.updates_recorded == (
        autocast is not torch.float16 and name not in ("radam", "lookahead")
    )
    precision = 1e-3 if autocast is None else 5e-2
    assert replayed == pytest.approx(wanted, rel=precision)
    for weight, tensor in weights.items():
        torch.testing.assert_close(state[weight], tensor, rtol=10 * precision, atol=precision)


@pytest.mark.gpu
@GPU
def test_a_gpu_is_not_waited_for_in_a_replay() -> None:
    device = torch.device("cuda:0")
    network = networks.build(CELL, SPEC).to(device).train()
    recorder = graphed.CudaRecorder(device)
    stepper = GraphedStepper(network, ClassificationLoss(), SETTINGS, Placement(device), recorder)
    ready = [_on(batch, device) for batch in batches(40)]
    for batch in ready[:10]:
        stepper.step(stepper.prepared(batch), 0.01)
        stepper.release_gradients()
    assert stepper.is_recorded, "hundreds of small kernels are what a graph is for"
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in ready[10:]:
            stepper.step(stepper.prepared(batch), 0.01)
            stepper.release_gradients()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _on(batch: Batch, device: torch.device) -> Batch:
    mixed = None if batch.mixed is None else Mixed(batch.mixed.y.to(device), batch.mixed.share)
    return Batch(batch.x.to(device), batch.y.to(device), None, mixed)


def test_batches_keep_their_layout_in_a_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    stepper = recorded(SETTINGS, monkeypatch)
    x = torch.randn(8, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    batch = PreparedBatch(x, torch.zeros(8, dtype=torch.int64), None)
    assert graphed._Graph(stepper, batch)._inputs.x.stride() == x.stride()
    assert not graphed._Graph(stepper, batch).takes(batch._replace(x=x.contiguous()))
