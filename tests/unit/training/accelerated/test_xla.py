"""TPUs: where torch-xla is not, what is told; steps on a stand-in of it; and with it, on the CPU that it
drives (`PJRT_DEVICE=CPU`), whole trainings, each in a process of its own, as this one trained without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn import functional

from popnas import config, evaluators
from popnas.config.optimizers import OptimizerSpec
from popnas.errors import CandidateFailed, UserError
from popnas.evaluators.training import compiling, placing
from popnas.events import nobody
from popnas.executors import Worker
from popnas.placement import Placement, precision
from popnas.training import TrainingSettings
from popnas.training.accelerated import xla
from popnas.training.clocks import clock_for
from popnas.training.device import check_trains, names
from popnas.training.failures import memory_errors_named
from popnas.workflows.models import training
from popnas.workflows.whole import end_to_end
from popnas.workflows.whole.request import JobRequest
from popnas.workflows.whole.stages import OwnStages

CPU = Placement(torch.device("cpu"))
TPU = torch.device("xla", 0)
KINDS = ["SGD", "SGDW", "adam", "adamW", "radam"]


class _TorchXla:
    """torch-xla, as far as it is called here: it counts."""

    def __init__(self, monkeypatch: Any, kind: str = "TPU") -> None:
        self.syncs = self.waits = self.compiled = 0
        self.seeds: list[int] = []
        names = ("", ".core", ".core.xla_model", ".debug", ".debug.metrics", ".runtime")
        made = {name: ModuleType(f"torch_xla{name}") for name in names}
        for name, module in made.items():
            monkeypatch.setitem(sys.modules, module.__name__, module)
            if name:
                parent, _, last = name.rpartition(".")
                setattr(made[parent], last, module)
        made[""].sync = self._sync  # type: ignore[attr-defined]
        made[".core.xla_model"].wait_device_ops = self._wait  # type: ignore[attr-defined]
        made[".core.xla_model"].set_rng_state = self.seeds.append  # type: ignore[attr-defined]
        made[".debug.metrics"].metric_data = self._metric  # type: ignore[attr-defined]
        made[".runtime"].device_type = lambda: kind  # type: ignore[attr-defined]
        monkeypatch.setattr(xla, "is_installed", lambda: True)

    def _sync(self) -> None:
        self.syncs += 1

    def _wait(self) -> None:
        self.waits += 1

    def _metric(self, name: str) -> tuple[int, float, list[object]] | None:
        assert name == "CompileTime"
        return (1, self.compiled * 1e9, []) if self.compiled else None


@pytest.fixture
def asked_anew() -> Any:
    answers = xla.why_not, xla.check_trains
    for answer in answers:
        answer.cache_clear()
    yield
    for answer in answers:
        answer.cache_clear()


@pytest.fixture
def no_choice(monkeypatch: Any, asked_anew: Any) -> None:
    monkeypatch.setenv("PJRT_DEVICE", "")
    monkeypatch.delenv("PJRT_DEVICE")
    monkeypatch.setenv("XLA_ENABLE_PARAM_ALIASING", "0")


def test_without_torch_xla_what_to_install_is_told(monkeypatch: Any, no_choice: None) -> None:
    monkeypatch.setattr(xla, "is_installed", lambda: False)
    with pytest.raises(UserError, match=r"'TPU' cannot be had: .*torch-xla.*not installed.*popnas\[tpu\]"):
        names("TPU")
    with pytest.raises(UserError, match=r"'TPU' cannot be had.*The cluster has"):
        names("TPU", num_gpus=2)


def test_torch_xla_of_another_pytorch_is_told(monkeypatch: Any, no_choice: None) -> None:
    monkeypatch.setattr(xla, "is_installed", lambda: True)
    monkeypatch.setitem(sys.modules, "torch_xla", None)
    with pytest.raises(UserError, match=r"does not go with PyTorch .*popnas\[tpu\]"):
        names("TPU")


def test_the_first_core_of_a_tpu_is_taken(monkeypatch: Any, no_choice: None) -> None:
    _TorchXla(monkeypatch)
    assert names("TPU") == ("xla:0",)


def test_a_machine_without_a_tpu_is_refused_unless_another_is_named(
    monkeypatch: Any, no_choice: None
) -> None:
    _TorchXla(monkeypatch, kind="CPU")
    with pytest.raises(UserError, match=r"finds no TPU.*PJRT_DEVICE=CPU"):
        names("TPU")
    xla.why_not.cache_clear()
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    assert names("TPU") == ("xla:0",)


@pytest.mark.parametrize("kind", ["inline", "processes", "ray"])
def test_one_process_holds_a_tpu(monkeypatch: Any, no_choice: None, kind: str) -> None:
    _TorchXla(monkeypatch)
    others = {"train_strategy": "TPU", "executor": {"kind": kind}}
    run = config.load({"dataset": {"type": "image_classification", "name": "digits"}, "others": others})
    if kind == "inline":
        assert placing.devices(run) == placing.of_workers(run) == ("xla:0",)
        assert placing.num_workers(run) == 1
        return
    for ask in (placing.devices, placing.of_workers):
        with pytest.raises(UserError, match=f"kind: '{kind}' cannot be had .*Take 'inline'"):
            ask(run)


def test_what_a_tpu_has_of_its_own() -> None:
    place = Placement.on(TPU, num_dims=2, filters=8, has_mixed_precision=True)
    assert (place.memory_format, place.autocast) == (None, torch.bfloat16)
    assert place.off_tpu == CPU
    assert CPU.off_tpu is CPU
    assert precision(TPU, False) is None


def test_compiling_is_nothing_new_to_a_tpu() -> None:
    run = config.load(
        {
            "dataset": {"type": "image_classification", "name": "digits"},
            "others": {"enable_XLA_compilation": True},
        }
    )
    place = Placement(TPU)
    found = compiling.of_network(run, None, None, place, 100)  # type: ignore[arg-type]
    assert not found.is_on
    assert "has no effect" in (found.why_not or "")


def test_memory_that_runs_out_is_told_as_such() -> None:
    with pytest.raises(CandidateFailed) as failed, memory_errors_named(TPU):
        raise RuntimeError("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm")
    assert failed.value.kind == "out_of_memory"


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_a_plain_stepper(
    monkeypatch: Any, make_network: Any, make_loader: Any, kind: str
) -> None:
    """With the state laid out beforehand, and a rate of 0 that is none."""
    from popnas.training.stepper import Stepper

    fake = _TorchXla(monkeypatch)
    optimizer = OptimizerSpec(kind, 0.9 if "SGD" in kind else 0.0)
    settings = TrainingSettings(weight_decay=1e-3, optimizer=optimizer)
    found = []
    for make in (Stepper, xla.XlaStepper):
        torch.manual_seed(0)
        network = make_network()
        network.dropout.p = 0.0
        stepper = make(network, functional.cross_entropy, settings, CPU)
        before = fake.syncs
        for rate in (0.0, 0.01, 0.02):
            for batch in make_loader():
                stepper.step(stepper.prepared(batch), rate)
                stepper.release_gradients()
        found.append((network.state_dict(), fake.syncs - before))
    (plain, none), (stepped, several) = found
    assert none == 0
    assert several == 3 * 3 * 3  # before a batch, before a step, after it
    assert len(set(fake.seeds)) == 3 * 3
    for name, tensor in plain.items():
        torch.testing.assert_close(stepped[name], tensor, rtol=1e-5, atol=1e-6)


def test_the_clock_waits_and_stands_while_programs_are_compiled(monkeypatch: Any) -> None:
    fake, seconds = _TorchXla(monkeypatch), iter((10.0, 15.0))
    monkeypatch.setattr(xla.time, "perf_counter", lambda: next(seconds))
    clock = clock_for(TPU)
    clock.start()
    fake.compiled = 3
    clock.stop()
    assert clock.seconds() == 15.0 - 10.0 - 3.0
    assert (fake.syncs, fake.waits) == (2, 2)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("device_ready_queues_.size()) INTERNAL ASSERT FAILED", "trained something here before the TPU"),
        ("The TPU is already in use by process with pid 7", "in use by process with pid 7"),
    ],
)
def test_a_process_that_cannot_train_there_is_refused(
    monkeypatch: Any, asked_anew: None, said: str, told: str
) -> None:
    def fail(self: Any) -> None:
        raise RuntimeError(said)

    _TorchXla(monkeypatch)
    monkeypatch.setattr(xla, "DEVICE", "cpu")
    monkeypatch.setattr(torch.Tensor, "backward", fail)
    with pytest.raises(UserError, match=f"cannot be had in this process: .*{told}.* Start a new process"):
        check_trains(TPU)
    check_trains(CPU.device)


def test_who_is_going_to_train_asks_before_anything_else_is_trained(
    monkeypatch: Any, tiny_config: Any, tmp_path: Path
) -> None:
    """As what is trained on a CPU first, such as predictors of a search that goes on, would bar the TPU."""

    def refuse() -> None:
        raise UserError("not here")

    monkeypatch.setattr(xla, "why_not", lambda: None)
    monkeypatch.setattr(xla, "check_trains", refuse)
    run = config.load(tiny_config(**{"others.train_strategy": "TPU"}))
    evaluator = evaluators.create(run)
    with pytest.raises(UserError, match="not here"), evaluator.sharing(tmp_path, nobody):
        pass
    with pytest.raises(UserError, match="not here"):
        training.setup(training.ModelsSetup(run.to_json()).to_json(), Worker(0, xla.DEVICE))
    with pytest.raises(UserError, match="not here"):
        end_to_end.start(run, JobRequest(), OwnStages(nobody), logs=tmp_path)
    assert not list(tmp_path.iterdir())


# --- with torch-xla


def apart(what: str, *arguments: str, status: int = 0) -> Any:
    """What a function of `xla_process` gives, in a process that torch-xla is imported in first."""
    if find_spec("torch_xla") is None:
        pytest.skip("torch-xla is not installed: it needs a PyTorch of its own (docs/gpu.md)")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.unit.training.accelerated.xla_process", what, *arguments],
        cwd=Path(__file__).parents[4],
        env={**os.environ, "PJRT_DEVICE": "CPU", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1]) if status == 0 else None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", ["adamW", "SGDW", "radam", "mixed"])
def test_a_training_there_is_that_of_a_cpu(which: str) -> None:
    plain, there = apart("trained", which)
    share = 1e-3 if which == "mixed" else 1e-5
    assert there["losses"] == pytest.approx(plain["losses"], rel=share)
    assert there["validation_losses"] == pytest.approx(plain["validation_losses"], rel=1e-3)
    assert there["devices"] == ["cpu"]
    assert 0.0 < there["inference_seconds"] < 0.1
    # Of programs that take seconds to compile.
    assert max(there["seconds"]) < 1.0 < there["wall_seconds"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_training_goes_on_as_it_would_have_gone(tmp_path: Path) -> None:
    """With dropout, an average of weights, and Lookahead, which counts."""
    checkpoint = str(tmp_path / "checkpoint.pt")
    whole = apart("whole")
    apart("killed", checkpoint, status=-signal.SIGKILL)
    resumed, on_a_cpu = apart("resumed", checkpoint)
    assert resumed["losses"] == whole["losses"]
    assert resumed["weights"] == whole["weights"]
    # Other numbers are drawn there.
    assert on_a_cpu["losses"][:2] == whole["losses"][:2]
    assert on_a_cpu["losses"][2:] == pytest.approx(whole["losses"][2:], rel=0.1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_drop_path_draws_the_same_in_every_training() -> None:
    first, again, without = apart("drop_path")
    assert first["losses"] == again["losses"]
    assert first["weights"] == again["weights"]
    assert first["losses"] != pytest.approx(without["losses"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_recurrent_layers_answer_on_a_cpu_as_they_do_there() -> None:
    """torch-xla puts a GRU into `torch.nn` that computes nowhere else."""
    there, here = apart("recurrent")
    assert there == pytest.approx(here, abs=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_trained_before_is_refused() -> None:
    assert "PyTorch trained something here before the TPU was opened" in apart("trained_before")
