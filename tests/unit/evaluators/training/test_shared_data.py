"""One copy of the data for the driver and all its workers, which is gone when they are."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import evaluators, executors, tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import prepared
from popnas.datasets.loader import DeviceLoader
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators.training import candidate, shared_data
from popnas.events import JobEvent, Warned
from popnas.executors import Worker
from popnas.executors.processes import ProcessesExecutor
from popnas.storage import storage_errors
from popnas.workflows.settings import load_config

PROCESSES = {"others.executor": {"kind": "processes", "workers": 2}, "others.trackers": []}


@pytest.fixture
def load(config: Callable[..., Any]) -> Callable[..., RunConfig]:
    return lambda **changes: load_config(config(**changes))


def loaded(run_config: RunConfig) -> Any:
    return tasks.get(run_config.dataset.type).load(run_config)


def test_workers_map_what_the_driver_lays_down_and_nothing_stays(
    load: Callable[..., RunConfig], tmp_path: Path
) -> None:
    run_config = load(**PROCESSES)
    dataset = loaded(run_config)
    with shared_data.shared(run_config, dataset, tmp_path, pytest.fail) as found:
        assert found.place is not None and Path(found.place).parent == tmp_path
        one = shared_data.of_worker(run_config, found.place)
        assert isinstance(one.full_train.x, np.memmap) and isinstance(found.dataset.full_train.x, np.memmap)
        assert np.array_equal(one.full_train.x, dataset.full_train.x)
    assert list(tmp_path.iterdir()) == []
    assert np.array_equal(found.dataset.full_train.x, dataset.full_train.x)  # the driver goes on with them


def test_a_candidates_files_wait_in_the_folder_that_goes_with_the_job(
    load: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_config, seen = load(**PROCESSES), list[Path]()
    payload = candidate.CandidateSetup(run_config.to_json(), None, None, judges_memory=False).to_json()

    def measure(context: Any, job: CandidateJob, files: Any) -> Measured:
        seen.append(files.place("."))
        return Measured()

    monkeypatch.setattr(candidate, "measure", measure)
    with shared_data.shared(run_config, loaded(run_config), tmp_path, pytest.fail) as found:
        context = candidate.setup(payload, Worker(folder=found.place))
        candidate.evaluate(context, CandidateJob("[]", 0, 0, 0).to_json())
        assert [str(place.parent) for place in seen] == [found.place]


def test_what_a_killed_job_left_is_removed_and_nothing_else(
    load: Callable[..., RunConfig], tmp_path: Path
) -> None:
    run_config = load(**PROCESSES)
    dataset = loaded(run_config)
    (tmp_path / "journal.jsonl").write_text("kept")
    with shared_data.shared(run_config, dataset, tmp_path, pytest.fail) as found:
        assert found.place is not None
        left = Path(found.place)
    left.mkdir()
    (left / "x.npy").write_bytes(b"half")
    for changes in (PROCESSES, {}):  # -r may choose another executor
        with shared_data.shared(load(**changes), dataset, tmp_path, pytest.fail) as found:
            assert (found.place == str(left)) == bool(changes)
            assert left.exists() == bool(changes)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_full_disk_is_told_and_every_worker_loads(
    load: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    run_config, heard, save = load(**PROCESSES), list[JobEvent](), prepared._save
    dataset, written = loaded(run_config), []

    def full(path: Path, *rest: Any) -> None:
        if len(written) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        save(path, *rest)

    def full_at_last(path: Path, value: Any) -> None:
        with storage_errors(path):
            full(path)

    monkeypatch.setattr(prepared, "_save", full)
    monkeypatch.setattr(prepared, "write_json", full_at_last)
    with shared_data.shared(run_config, dataset, tmp_path, heard.append) as found:
        assert found.place is None and found.dataset is dataset
    (event,) = heard
    assert isinstance(event, Warned) and re.search("the disk is full.* Each worker loads them", event.text)
    assert list(tmp_path.iterdir()) == []


def test_in_the_drivers_process_they_are_the_drivers_own(
    load: Callable[..., RunConfig], tmp_path: Path
) -> None:
    evaluator = evaluators.create(load())
    with evaluator.sharing(tmp_path, pytest.fail) as place:
        assert list(tmp_path.iterdir()) == []
        context = candidate.setup(evaluator.payload(None, None), Worker(folder=place))
        assert context.dataset is evaluator.dataset
    again = candidate.setup(evaluator.payload(None, None), Worker())
    assert again.dataset is not evaluator.dataset  # beside the block workers load


def test_for_workers_that_see_no_disk_they_lie_ready_to_be_brought(
    load: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = type("Elsewhere", (ProcessesExecutor,), {"shares_disk": False})
    executors.REGISTRY.names()
    parts = executors.REGISTRY._parts | {"elsewhere": (elsewhere, "of the tests")}
    monkeypatch.setattr(executors.REGISTRY, "_parts", parts)
    run_config = load(**{"others.executor": {"kind": "elsewhere"}})
    dataset = loaded(run_config)
    with shared_data.shared(run_config, dataset, tmp_path, pytest.fail) as found:
        assert found.place is not None and Path(found.place).parent == tmp_path.resolve()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_does_not_find_them_says_so_and_loads(
    load: Callable[..., RunConfig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_config = load(**PROCESSES)
    found = shared_data.of_worker(run_config, str(tmp_path / "gone"))
    assert np.array_equal(found.full_train.x, loaded(run_config).full_train.x)
    assert "it does not exist. This worker loads the data for itself" in caplog.text


SHAPES: dict[str, dict[str, Any]] = {
    "images": {},
    "augmented": {"dataset.data_augmentation": {"enabled": True, "use_cutout": True}},
    "folds": {"dataset.folds": 2, "dataset.data_augmentation": {"enabled": True}},
    "streamed": {"dataset.cache": False, "dataset.data_augmentation": {"enabled": True}},
    "series": {
        "dataset.type": "time_series_classification",
        "dataset.name": None,
        "dataset.samples": None,
        "dataset.normalize": True,
        "search_space.operators": ["identity", "3 conv"],
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_networks_are_the_same_whatever_their_data_lie_in(
    load: Callable[..., RunConfig], tmp_path: Path, shape: str
) -> None:
    changes = {**PROCESSES, **SHAPES[shape]}
    if shape == "series":
        rng = np.random.default_rng(0)
        x, lengths = rng.normal(size=(40, 12, 3)).astype(np.float32), rng.integers(5, 13, 40)
        np.savez(tmp_path / "train.npz", x=x, y=np.arange(40) % 2, lengths=lengths)
        changes["dataset.path"] = str(tmp_path)
    run_config = load(**changes)
    cell = Cell.parse("[(-1, identity, -1, identity)]").key
    answers = []
    evaluator = evaluators.create(run_config)
    (tmp_path / "run").mkdir()
    for is_shared in (False, True):
        if is_shared:
            with evaluator.sharing(tmp_path / "run", pytest.fail) as place:
                answers.append(evaluated(evaluator, cell, place))
        else:
            answers.append(evaluated(evaluator, cell, None))
    assert answers[0] == answers[1] and answers[0].score is not None


def evaluated(evaluator: evaluators.Evaluator, cell: str, place: str | None) -> Measured:
    context = candidate.setup(evaluator.payload(None, None), Worker(folder=place))
    found = Measured.from_json(candidate.evaluate(context, CandidateJob(cell, 1, 0, 7).to_json()))
    assert context.dataset.full_train.x is not None
    return found


@pytest.mark.parametrize("shape", ["images", "augmented"])
def test_what_is_kept_for_batches_is_no_copy(
    load: Callable[..., RunConfig], tmp_path: Path, shape: str
) -> None:
    run_config = load(**PROCESSES, **SHAPES[shape])
    with shared_data.shared(run_config, loaded(run_config), tmp_path, pytest.fail) as found:
        assert found.place is not None
        dataset = shared_data.of_worker(run_config, found.place)
        task = tasks.get(run_config.dataset.type)
        context = candidate.setup(
            evaluators.create(run_config).payload(None, None), Worker(folder=found.place)
        )
        loader = task.train_loader(run_config, dataset, dataset.train, context.placement, seed=0)
        assert isinstance(loader, DeviceLoader) and loader._cached is not None
        assert np.shares_memory(loader._cached.numpy(), dataset.train.x)
