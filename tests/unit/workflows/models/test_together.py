"""One network trained by two processes, which stand for two devices: what comes of it, and of their ends."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from popnas import config as configurations
from popnas import executors, tasks
from popnas.errors import CandidateFailed, UserError
from popnas.evaluators.training import fits, placing
from popnas.events import EpochFinished, nobody
from popnas.workflows.models import final_training, selection, together
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.stored.repetitions import FIRST
from popnas.workflows.models.training import FINAL, SELECTION, ModelJob, train_model
from popnas.workflows.settings import load_config

CELL = "[(-2, 3x3 conv, -1, identity);(-1, 2x2 maxpool, 0, identity)]"
SERIES_CELL = "[(-2, 3 conv, -1, identity);(-1, 2 maxpool, 0, identity)]"
TWO = ("cpu", "cpu")


@pytest.fixture
def job(tmp_path, config, partial):
    """SGD, as an adaptive rate makes large steps of rounding errors where a gradient is zero."""

    def make(name, stage=SELECTION, cell=CELL, **changes):
        partial["training_hyperparameters"]["optimizer"]["type"] = "SGD"
        whole = configurations.merge(load_config(config(**changes)), partial)
        return ModelJob(tmp_path / name, cell, whole, stage)

    return make


def loaded(job):
    return tasks.get(job.config.dataset.type).load(job.config)


def series(folder):
    """Of unequal lengths, which a network takes as a second input."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(61, 20, 2)).astype(np.float32)
    np.savez(folder / "train.npz", x=x, y=np.arange(61) % 3, lengths=rng.integers(8, 21, 61))
    return {
        "search_space.operators": ["identity", "3 conv"],
        "dataset.type": "time_series_classification",
        "dataset.name": None,
        "dataset.path": str(folder),
        "dataset.samples": None,
        "dataset.batch_size": 16,
    }


def masks(folder):
    """Whose pixels do not all count, so that processes have unequal numbers of them."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (22, 16, 16, 3), dtype=np.uint8)
    y = rng.integers(0, 3, (22, 16, 16), dtype=np.uint8)
    y[::2, :12] = 255
    np.savez(folder / "train.npz", x=x, y=y)
    return {
        "dataset.type": "image_segmentation",
        "dataset.name": None,
        "dataset.path": str(folder),
        "dataset.samples": None,
        "dataset.ignore_class": 255,
        "dataset.batch_size": 8,
        "dataset.validation_size": 0.3,
    }


CASES = {
    "images": (lambda folder: {}, CELL, FINAL),
    "images_mixed": (
        lambda folder: {
            "dataset.data_augmentation": {"enabled": True, "mixup": 0.4, "trivial_augment": True},
            "dataset.batch_size": 13,  # the last batch of 90 has 12
        },
        CELL,
        SELECTION,
    ),
    "series": (series, SERIES_CELL, SELECTION),
    "masks": (masks, CELL, SELECTION),
}


@pytest.mark.parametrize(
    "case", ["images", *(pytest.param(name, marks=pytest.mark.slow) for name in list(CASES)[1:])]
)
def test_two_processes_train_what_one_trains_with_the_same_batches(job, tmp_path, case):
    """With drop path, dropout and augmentation; the rows differ, the draws do not."""
    make, cell, stage = CASES[case]
    data = tmp_path / "data"
    data.mkdir()
    changes = make(data)
    alone, both = (job(name, stage, cell, **changes) for name in ("alone", "both"))
    dataset = loaded(alone)
    one = train_model(alone, dataset)
    heard = []
    two = together.train(both, dataset, TWO, heard.append)
    assert {event.what for event in heard if isinstance(event, EpochFinished)} == {"both"}
    wanted, found = (load_file(ModelFolder(each.folder).weights) for each in (one, two))
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-5, atol=1e-5)
    assert two.metrics == one.metrics and two.best_epoch == one.best_epoch
    logs = [json.loads(ModelFolder(each.folder).training_json.read_text()) for each in (one, two)]
    assert (logs[0]["device"], logs[1]["device"]) == ("cpu", "2 x cpu")
    for before, after in zip(logs[0]["epochs"], logs[1]["epochs"], strict=True):
        assert after["head_metrics"] == before["head_metrics"]
        assert after["training_accuracy"] == before["training_accuracy"]
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-5)
        assert after["training_seconds"] == before["training_seconds"]  # simulated: of all examples


@pytest.fixture
def processes(monkeypatch):
    """The pids of the processes of a training, by number."""
    found = {}
    create = executors.create

    def watched(*args, **options):
        made = create(*args, **options)
        start = made._start_workers

        def started(number):
            start(number)
            for index, worker in made._workers.items():
                found.setdefault(index, worker.pid)

        made._start_workers = started
        return made

    monkeypatch.setattr(executors, "create", watched)
    return found


def are_gone(pids):
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


TWO_GPUS = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="two GPUs"),
]


@pytest.mark.slow
@pytest.mark.parametrize("devices", [TWO, pytest.param(("cuda:0", "cuda:1"), marks=TWO_GPUS)])
@pytest.mark.parametrize("number", [0, 1])
def test_a_process_that_is_killed_ends_the_other_and_the_same_command_goes_on(
    job, processes, number, devices
):
    changes = {} if devices == TWO else {"others.train_strategy": "multi-GPU"}
    asked, killed = job("killed", **changes), []

    def kill(event):
        if isinstance(event, EpochFinished) and not killed:
            killed.append(event.epoch)
            os.kill(processes[number], signal.SIGKILL)

    with pytest.raises(CandidateFailed, match=r"one of the 2 processes .* has died.* goes on") as failed:
        together.train(asked, loaded(asked), devices, kill)
    assert failed.value.kind == "worker_died"
    assert killed
    are_gone(processes.values())
    # As a training alone does: a checkpoint is of the network, not of who trains it.
    again = together.train(asked, loaded(asked), devices, nobody)
    alone = train_model(job("alone", **changes), loaded(asked))
    wanted, found = (load_file(ModelFolder(each.folder).weights) for each in (alone, again))
    rtol, atol = (1e-5, 1e-5) if devices == TWO else (1e-3, 1e-4)
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=rtol, atol=atol)
    assert again.num_epochs == alone.num_epochs == 3


@pytest.mark.slow
def test_an_interruption_ends_all_processes_and_one_alone_may_go_on(job, processes):
    asked = job("asked")

    def interrupt(event):
        if isinstance(event, EpochFinished):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together.train(asked, loaded(asked), TWO, interrupt)
    are_gone(processes.values())
    assert not ModelFolder(asked.folder).is_finished
    assert ModelFolder(asked.folder).checkpoint.is_file()
    assert train_model(asked, loaded(asked)).num_epochs == 3


def test_one_that_its_limit_stopped_goes_on_with_all_devices(job):
    """Its folder counts as finished: that there is more to do is decided once, not by each process."""
    asked = job("asked")
    stopped = together.train(replace(asked, deadline=0.0), loaded(asked), TWO, nobody)
    assert (stopped.stopped, stopped.num_epochs) == ("max_hours", 1)
    whole = together.train(asked, loaded(asked), TWO, nobody)
    assert (whole.stopped, whole.num_epochs) == (None, 3)
    assert together.devices_for(asked, loaded(asked)) == ("cpu",)  # what is done is read


def test_data_of_a_training_lie_in_its_own_folder_whatever_else_the_run_does(job, monkeypatch):
    """A search shares its data in the run's `restore`, another training in its folder."""
    one, other, places = job("one"), job("other"), []

    class EndedError(Exception):
        pass

    def create(kind, work, **options):
        places.append(Path(work.folder))
        if len(places) == 1:
            with pytest.raises(EndedError):
                together.train(other, loaded(other), TWO, nobody)
            assert any(places[0].iterdir())
        raise EndedError

    monkeypatch.setattr(executors, "create", create)
    with pytest.raises(EndedError):
        together.train(one, loaded(one), TWO, nobody)
    assert [place.parent for place in places] == [one.folder.resolve(), other.folder.resolve()]
    assert not any(place.exists() for place in places)


def test_several_devices_are_taken_where_they_are_asked_for(job, monkeypatch):
    asked = job("asked")
    dataset = loaded(asked)
    assert together.devices_for(asked, dataset) == ("cpu",)
    monkeypatch.setattr(placing, "devices", lambda config: ("cuda:0", "cuda:1"))
    assert together.devices_for(asked, dataset) == ("cuda:0", "cuda:1")

    class NoSums:
        def update(self, logits, y): ...
        def compute(self): ...

    task = tasks.get(asked.config.dataset.type)
    monkeypatch.setattr(type(task), "metrics", lambda self, num_classes: NoSums())
    with pytest.raises(UserError, match=r"no method `sum_up`.*train_strategy 'GPU'"):
        together.devices_for(asked, dataset)


@pytest.mark.parametrize(
    ("num_devices", "shared"), [(1, []), (2, ["4"]), (3, ["3", "4"]), (8, list("01234"))]
)
def test_a_selection_shares_all_devices_for_those_that_would_be_left_over(
    monkeypatch, config, num_devices, shared
):
    made = object.__new__(selection._Selection)
    made.config = load_config(config(**{"others.executor": {"kind": "processes"}}))
    monkeypatch.setattr(placing, "devices", lambda config: ("cuda:0",) * num_devices)
    assert made._num_together(5) == len(shared)
    made.config = load_config(config(**{"others.executor": {"kind": "inline"}}))
    assert made._num_together(5) == 0


def test_memory_is_judged_by_the_part_of_a_batch_that_each_device_has(job, config, monkeypatch):
    """Of a selection's networks only where all devices train each of them."""
    monkeypatch.setattr(placing, "devices", lambda config: ("cuda:0", "cuda:1"))
    judged = []

    def check_training(*args, num_devices, **options):
        judged.append(num_devices)
        return []

    monkeypatch.setattr(fits, "check_training", check_training)
    asked = job("asked", FINAL)
    final_training._check_fits([asked], loaded(asked), nobody)
    made = object.__new__(selection._Selection)
    made.config = load_config(config(**{"others.executor": {"kind": "processes"}}))
    made.task, made.dataset = tasks.get(made.config.dataset.type), loaded(asked)
    made.repetitions, made.tell = [FIRST], nobody
    network = selection.PlannedModel("a", CELL, 2, 1, 4, 0, 0)
    for number in (1, 2, 3):
        made._check_fits([network] * number)
    assert judged == [2, 2, 1, 1]


@pytest.mark.gpu
@TWO_GPUS[1]
def test_two_gpus_train_what_one_trains(job):
    changes = {"others.train_strategy": "multi-GPU"}
    alone, both = (job(name, **changes) for name in ("alone", "both"))
    dataset = loaded(alone)
    one = train_model(alone, dataset)
    two = together.train(both, dataset, together.devices_for(both, dataset), nobody)
    wanted, found = (load_file(ModelFolder(each.folder).weights) for each in (one, two))
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4)
    assert two.metrics.keys() == one.metrics.keys()
