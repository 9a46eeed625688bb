"""What only a GPU can show, whole: trainings that are recorded, compiled and interrupted, memory that runs
out, a device that is lost, a search and all that follows it. What can be, is run on a CPU by the same test,
so that the tests themselves are known to work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from popnas import evaluators, executors, tasks
from popnas.cells import Cell
from popnas.evaluation import CandidateJob
from popnas.evaluators.training import compiling, fits
from popnas.executors import Job, Work
from popnas.runs import RunFolder
from popnas.training.accelerated import graphed
from popnas.training.stepper import Stepper
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.training import FINAL, ModelJob, train_model
from popnas.workflows.settings import load_config

HERE = Path(__file__).parent
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU")
GPU = pytest.param("GPU", marks=[pytest.mark.gpu, NO_GPU])
ON_BOTH = pytest.mark.parametrize("strategy", ["CPU", GPU])
CELL = "[(-1, 3x3 conv, -1, identity);(-1, 2x2 maxpool, 0, 3x3 dconv)]"


@pytest.fixture
def job(tmp_path: Path, tiny_config: Callable[..., dict[str, Any]]) -> Callable[..., ModelJob]:
    """A final training of four epochs of eight steps; SGD, as an adaptive rate makes large steps of rounding
    errors where a gradient is zero."""

    def make(name: str, strategy: str, **changes: Any) -> ModelJob:
        changes = {
            "others.train_strategy": strategy,
            "others.timing": "measured",
            "dataset.batch_size": 15,
            "training_hyperparameters.epochs": 4,
            "training_hyperparameters.drop_path": 0.2,
            "training_hyperparameters.optimizer": {"type": "SGD"},
            **changes,
        }
        return ModelJob(tmp_path / name, CELL, load_config(tiny_config(**changes)), FINAL)

    return make


class _InterruptedError(Exception):
    pass


@pytest.fixture
def steppers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Those of the trainings, which are recorded wherever they can be, however short."""
    monkeypatch.setattr(graphed, "LEAST_STEPS", 1)
    monkeypatch.setattr(graphed, "_LEAST_GAIN", 0.0)
    make, made = graphed.make_stepper, []

    def kept(*args: Any, **options: Any) -> Any:
        made.append(make(*args, **options))
        return made[-1]

    monkeypatch.setattr(graphed, "make_stepper", kept)
    return made


@ON_BOTH
def test_an_interrupted_training_ends_as_it_would_have_ended(
    job: Callable[..., ModelJob], steppers: list[Any], strategy: str
) -> None:
    def interrupt(epoch: int, record: Any) -> None:
        if epoch == 2:
            raise _InterruptedError

    whole = train_model(job("whole", strategy))
    interrupted = job("interrupted", strategy)
    with pytest.raises(_InterruptedError):
        train_model(interrupted, on_epoch=interrupt)
    assert ModelFolder(interrupted.folder).checkpoint.is_file()
    gone_on = train_model(interrupted)
    assert gone_on.num_epochs == whole.num_epochs == 4
    if strategy == "GPU":
        assert len(steppers) == 3 and all(stepper.is_recorded for stepper in steppers)
    wanted, found = (load_file(ModelFolder(each.folder).weights) for each in (whole, gone_on))
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4)
    assert gone_on.training_seconds > 0


@pytest.mark.gpu
@NO_GPU
@pytest.mark.timeout(600)
def test_a_compiled_training_is_that_of_one_that_is_not(
    job: Callable[..., ModelJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiling takes about a minute, and is no part of its time."""
    monkeypatch.setattr(compiling, "PAYS_FROM_SECONDS", 0.0)
    undrawn = {"training_hyperparameters.drop_path": 0.0}  # what is compiled draws other numbers
    plain = train_model(job("plain", "GPU", **undrawn))
    compiled = train_model(job("compiled", "GPU", **undrawn, **{"others.enable_XLA_compilation": True}))
    logs = [json.loads(ModelFolder(each.folder).training_json.read_text()) for each in (plain, compiled)]
    for before, after in zip(logs[0]["epochs"], logs[1]["epochs"], strict=True):
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-2)
    assert compiled.training_seconds < 10.0
    assert ModelFolder(compiled.folder).onnx.is_file()


def _stand_in(strategy: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets memory run out from now on; what ends that."""
    if strategy == "GPU":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1e-6)
        return lambda: torch.cuda.set_per_process_memory_fraction(1.0)

    def refuse(*args: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("Tried to allocate 2.50 GiB.")

    step = Stepper.step
    monkeypatch.setattr(Stepper, "step", refuse)
    return lambda: monkeypatch.setattr(Stepper, "step", step)


@ON_BOTH
def test_what_has_no_memory_fails_alone_and_holds_none(
    tiny_config: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    # Larger than what lies free in memory that PyTorch has already: 2 MiB at least.
    changes = {"architecture_hyperparameters.filters": 64, "others.train_strategy": strategy}
    config = load_config(tiny_config(**changes))
    evaluator = evaluators.create(config)
    work = Work(evaluator.setup, evaluator.evaluate, evaluator.payload(None, None))
    jobs = [Job(str(number), CandidateJob(CELL, 2, number, 0).to_json()) for number in range(2)]
    device = "cuda:0" if strategy == "GPU" else "cpu"
    with executors.create("inline", work, num_workers=1, devices=(device,)) as executor:
        (warm,) = executor.run(jobs[:1])
        before = torch.cuda.memory_allocated() if strategy == "GPU" else 0
        restore = _stand_in(strategy, monkeypatch)
        try:
            (failed,) = executor.run(jobs[1:])
        finally:
            restore()
        held = torch.cuda.memory_allocated() if strategy == "GPU" else 0
        (again,) = executor.run(jobs[1:])
    assert warm.value is not None and warm.value.get("error") is None
    assert failed.value is not None and failed.value["error_kind"] == "out_of_memory"
    assert held <= before
    assert again.value is not None and again.value.get("error") is None


@pytest.mark.gpu
@NO_GPU
def test_a_worker_that_loses_the_gpu_is_replaced_and_its_job_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a real assertion on the device, which no later call of that process survives."""
    monkeypatch.syspath_prepend(HERE)
    work = Work("gpu_jobs:setup", "gpu_jobs:evaluate", {})
    jobs = [
        Job("lost", {"do": "assert", "marker": str(tmp_path / "marker")}),
        Job("fine", {}),
    ]
    with executors.create("processes", work, num_workers=1, devices=("cuda:0",)) as executor:
        found = {result.id: result for result in executor.run(jobs)}
    assert [found[name].error for name in ("lost", "fine")] == [None, None]
    assert (found["lost"].attempts, found["fine"].attempts) == (2, 1)


@pytest.mark.gpu
@NO_GPU
@pytest.mark.parametrize("cell", ["[(-1, 3x3 conv, -1, 3x3 conv)]", "[(-1, 5x5 dconv, -1, 2x2 avgpool)]"])
def test_a_training_takes_about_the_memory_that_is_reckoned(job: Callable[..., ModelJob], cell: str) -> None:
    """Above half a GiB, where what libraries take counts for little; nothing that fits may be refused."""
    changes = {"architecture_hyperparameters.filters": 96, "dataset.resize": {"width": 64, "height": 64}}
    asked = replace(job("large", "GPU", **changes, **{"dataset.batch_size": 60}), cell=cell)
    dataset = tasks.get(asked.config.dataset.type).load(asked.config)
    spec = tasks.get(asked.config.dataset.type).network_spec(asked.config, dataset)
    need = fits.need_of(Cell.parse(cell), spec.replace(is_post_search=True), 60)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    train_model(asked, dataset)
    peak = torch.cuda.max_memory_allocated() - before
    assert need.peak > 2**29
    assert need.memory.least(60) < 1.2 * peak, "what fits would be refused"
    assert peak < 1.5 * need.peak


RAY = """
import json, os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "num_gpus": int(sys.argv[3])})
os.environ["RAY_ADDRESS"] = cluster.address
from popnas.workflows.searching.search import search
search(json.loads(sys.argv[1]), name="run", logs=sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@ON_BOTH
def test_a_cluster_shares_a_device(
    tiny_config: Callable[..., dict[str, Any]], tmp_path: Path, strategy: str
) -> None:
    pytest.importorskip("ray")
    executor = {"kind": "ray", "workers": 2}
    if strategy == "GPU":
        executor = {"kind": "ray", "workers_per_gpu": 2}
    config = tiny_config(**{"others.train_strategy": strategy, "others.executor": executor})
    num_gpus = 1 if strategy == "GPU" else 0
    done = subprocess.run(
        [sys.executable, "-c", RAY, json.dumps(config), str(tmp_path), str(num_gpus)],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = RunFolder.open(tmp_path / "run").state()
    assert state.is_finished and all(item.error is None for item in state.evaluations)
    assert len({item.cell for item in state.evaluations}) > 3


@pytest.mark.slow
@pytest.mark.timeout(600)
@ON_BOTH
def test_a_whole_job(tiny_config: Callable[..., dict[str, Any]], tmp_path: Path, strategy: str) -> None:
    """The devices stand in its logs, and what is delivered answers without them."""
    executor = {"kind": "processes", "workers": 2}
    changes = {"others.train_strategy": strategy, "others.executor": executor}
    config = tiny_config(**changes, **{"others.timing": "measured"})
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, "-m", "popnas", "e2e", "-j", "config.json", "--name", "run", "--hours", "0.05"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    final = ModelFolder(tmp_path / "logs" / "run" / "final_training")
    assert final.onnx.is_file() and (tmp_path / "logs" / "run" / "report.html").is_file()
    log = json.loads(final.training_json.read_text())
    assert log["device"] == ("cuda:0" if strategy == "GPU" else "cpu")
