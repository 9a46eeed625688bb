"""How many candidates a GPU trains at once; the probes themselves train on a CPU here."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from popnas import evaluators, executors
from popnas.config import changed
from popnas.errors import ExecutorError
from popnas.evaluators.training import candidate, fits, packing, placing
from popnas.evaluators.training.context import steps_of
from popnas.evaluators.training.evaluator import TrainingEvaluator
from popnas.evaluators.training.packing import counting, trying
from popnas.evaluators.training.packing.counting import Awhile, Counted
from popnas.evaluators.training.packing.trying import Packing, Throughput
from popnas.events import Told
from popnas.runs import RunFolder
from popnas.workflows.searching import search
from popnas.workflows.settings import load_config

PLENTY = 10**6


def tried_by(
    throughputs: dict[int, float | None], room: int = PLENTY
) -> tuple[list[int], Callable[[int], Any]]:
    asked: list[int] = []

    def attempt(number: int) -> Throughput | None:
        asked.append(number)
        steps = throughputs[number]
        return None if steps is None else Throughput(steps, room)

    return asked, attempt


@pytest.mark.parametrize(
    ("throughputs", "room", "most", "expected", "tried", "why"),
    [
        # Doubles, then saturates: the last doubling brings 5 %.
        ({1: 10.0, 2: 19.0, 4: 30.0, 8: 31.5}, PLENTY, 16, 4, [1, 2, 4, 8], "8 gained less than 10%"),
        # A network that fills the device.
        ({1: 10.0, 2: 10.2}, PLENTY, 16, 1, [1, 2], "2 gained less than 10%"),
        # More at once are slower.
        ({1: 10.0, 2: 15.0, 4: 9.0}, PLENTY, 16, 2, [1, 2, 4], "4 gained less than 10%"),
        # Exactly the least gain is one.
        ({1: 10.0, 2: 11.0, 4: 12.0}, PLENTY, 16, 2, [1, 2, 4], "4 gained less than 10%"),
        # No end of gain.
        ({n: 10.0 * n for n in (1, 2, 4, 8, 16)}, PLENTY, 16, 16, [1, 2, 4, 8, 16], "no more than 16"),
        ({n: 10.0 * n for n in (1, 2, 4, 8, 16)}, PLENTY, 6, 4, [1, 2, 4], "no more than 6"),
        # Memory is known to end, or does.
        ({1: 10.0, 2: 20.0}, 3, 16, 2, [1, 2], "memory for 3"),
        ({1: 10.0}, 0, 16, 1, [1], "memory for 1"),
        ({1: 10.0, 2: 20.0, 4: None}, PLENTY, 16, 2, [1, 2, 4], "4 at once could not be trained"),
        ({1: None}, PLENTY, 16, 1, [1], "could not be trained"),
    ],
)
def test_more_are_tried_as_long_as_they_gain_and_fit(throughputs, room, most, expected, tried, why) -> None:
    asked, attempt = tried_by(throughputs, room)
    found = trying.settled(attempt, most)
    assert found.per_device == expected and asked == tried and why in found.why
    assert dict(found.throughputs) == {n: steps for n, steps in throughputs.items() if n in tried and steps}
    assert why in str(found)


def test_by_the_clock_on_the_wall_candidates_beside_others_take_longer() -> None:
    assert Packing(4, {1: 10.0, 2: 19.0, 4: 25.0}, "").stretch == pytest.approx(1.6)
    assert Packing(1, {1: 10.0}, "").stretch == 1.0
    assert Packing(1, {}, "").stretch == 1.0
    assert Packing(2, {1: 10.0, 2: 21.0}, "").stretch == 1.0, "a measurement's noise is no gain"


def test_room_is_reckoned_for_the_largest_with_what_is_free() -> None:
    gib = 2**30
    context = fits.CONTEXT_BYTES
    two = [Counted(1, 1.0, 2 * gib - context, 12 * gib), Counted(1, 1.0, gib, 12 * gib)]
    # 12 GiB are free and 2 x 2 are theirs: 0.9 x 16 GiB.
    assert trying.room(two, 0) == 7
    assert trying.room(two, gib) == 4
    assert trying.room(two, 20 * gib) == 0


@pytest.mark.parametrize(
    ("changes", "devices", "expected"),
    [
        ({}, ("cuda:0",), True),
        ({}, ("cuda:0", "cuda:1"), True),
        ({}, ("cpu",), False),
        ({"others.executor": {"workers": 2}}, ("cuda:0",), False),
        ({"others.executor": {"workers_per_gpu": 1}}, ("cuda:0",), False),
        ({"others.executor": {"kind": "inline"}}, ("cuda:0",), False),
        ({"others.executor": {"kind": "ray"}}, ("cuda:0",), False),
    ],
)
def test_it_is_found_out_where_nobody_has_said_and_processes_have_gpus(
    config, changes, devices, expected
) -> None:
    fields = {"others.executor": {"kind": "processes"}, **changes}
    assert packing.applies(load_config(config(**fields)), devices) is expected


@pytest.fixture
def made(config: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """An evaluator whose devices are said to be these GPUs, on which three candidates train at once."""

    def make(devices: tuple[str, ...], **changes: Any) -> Any:
        monkeypatch.setattr(placing.device, "names", lambda *_: devices)
        monkeypatch.setattr(fits, "may_outgrow", lambda *_: False)
        fields = {"others.executor": {"kind": "processes"}, "others.timing": "measured", **changes}
        return evaluators.create(load_config(config(**fields)))

    return make


def test_a_search_has_so_many_workers_and_they_know_that_they_share(made, monkeypatch) -> None:
    asked: list[Any] = []

    def found(*given: Any) -> Packing:
        asked.append(given)
        return Packing(3, {1: 10.0, 2: 18.0, 4: 18.5}, "", seconds=50.0)

    monkeypatch.setattr(packing, "found", found)
    evaluator = made(("cuda:0", "cuda:1"))
    told: list[Any] = []
    assert evaluator.num_workers(told.append) == evaluator.num_workers(told.append) == 6
    assert len(asked) == 1, "it takes a minute"
    assert evaluator.devices == 3 * ("cuda:0", "cuda:1")
    assert candidate.CandidateSetup.from_json(evaluator.payload(None, None)).num_sharing > 1
    # A search that is cut to fit is of the same device; of smaller images no fewer fit.
    smaller = changed(evaluator.config, {"dataset.resize": {"width": 6, "height": 6}})
    for config in (evaluator.config, smaller):
        cut = evaluator.varied(config)
        assert cut.config == config and cut.num_workers(told.append) == 6 and len(asked) == 1
        assert candidate.CandidateSetup.from_json(cut.payload(None, None)).num_sharing > 1
        assert (cut.workers_per_gpu, cut.trial_seconds) == (3, 50.0)


@pytest.mark.parametrize(
    ("devices", "fields", "number", "shares"),
    [
        (("cuda:0",), {"workers": 1}, 1, False),
        (("cuda:0",), {"workers": 2}, 2, True),
        (("cuda:0", "cuda:1"), {"workers": 2}, 2, False),
        (("cuda:0", "cuda:1"), {"workers_per_gpu": 1}, 2, False),
        (("cuda:0", "cuda:1"), {"workers_per_gpu": 3}, 6, True),
        (("cpu",), {"workers": 4}, 4, False),
    ],
)
def test_who_has_said_how_many_is_not_probed(made, monkeypatch, devices, fields, number, shares) -> None:
    monkeypatch.setattr(packing, "found", None)
    evaluator = made(devices, **{"others.executor": {"kind": "processes", **fields}})
    assert evaluator.num_workers(print) == number
    assert (candidate.CandidateSetup.from_json(evaluator.payload(None, None)).num_sharing > 1) is shares


@pytest.mark.parametrize(("hours", "is_tried"), [(0.15, False), (0.18, True), (None, True)])
def test_a_limit_that_trying_would_use_up_goes_without(config, monkeypatch, hours, is_tried) -> None:
    monkeypatch.setattr(trying, "_tried", lambda *_: Packing(4, {1: 1.0, 2: 2.0, 4: 4.0}, "of some reason"))
    evaluator = evaluators.create(load_config(config(**{"others.max_hours": hours})))
    told: list[Any] = []
    found = packing.found(evaluator.config, evaluator.dataset, evaluator.spec, told.append)
    assert found.per_device == (4 if is_tried else 1) and 0 <= found.seconds < 60
    (text,) = (event.text for event in told)
    if not is_tried:
        assert text.startswith(
            "Training one candidate at a time on a GPU (more are tried, for about a minute, "
        )
        assert "from 10 minutes on, and others.max_hours is 0.15" in text and "workers_per_gpu" in text
        assert "Steps a second" not in text


def test_a_plan_counts_with_the_time_that_candidates_take_beside_one_another(config, monkeypatch) -> None:
    fields = {"others.executor": {"kind": "processes"}, "others.timing": "measured", "search_space.blocks": 1}
    alone = evaluators.create(load_config(config(**fields)))
    beside = alone.varied(alone.config)
    beside._packing = Packing(4, {1: 10.0, 4: 20.0}, "")
    cells = alone.space.new_blocks(1)[:3, None]
    one, other = alone.forecast(lambda _: None), None
    beside._forecast = one
    other = beside.forecast(lambda _: None)
    np.testing.assert_allclose(other.expect(cells).seconds, 2 * one.expect(cells).seconds)
    np.testing.assert_array_equal(other.expect(cells).measured["time"], one.expect(cells).measured["time"])


@pytest.fixture
def worker(config: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The context of a worker that has few of the data, with those and the cell that is tried."""

    def make(**changes: Any) -> Any:
        monkeypatch.setattr(counting, "_SECONDS", 0.05)
        evaluator = evaluators.create(load_config(config(**changes)))
        few = trying.few_examples(evaluator.config, evaluator.dataset)
        setup = candidate.CandidateSetup(evaluator.config.to_json(), None, None, judges_memory=False)
        monkeypatch.setattr(candidate.shared_data, "of_worker", lambda *_: few)
        cell = trying.typical_cell(evaluator.config, evaluator.spec)
        return evaluator, candidate.setup(setup.to_json(), candidate.Worker()), few, cell

    return make


def test_a_process_counts_steps_from_when_all_have_begun(worker, tmp_path: Path, monkeypatch) -> None:
    evaluator, context, few, cell = worker()
    (tmp_path / "0").touch()  # another one is there already
    began = time.monotonic()
    told = Awhile(cell.key, 1, 1, 2, str(tmp_path))
    counted = Counted.from_json(counting.evaluate(context, told.to_json()))
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}
    steps_per_epoch = -(-len(few.train) // evaluator.config.dataset.batch_size)
    assert counted.steps >= 2 * steps_per_epoch and counted.steps % steps_per_epoch == 0
    assert 0.05 <= counted.seconds <= time.monotonic() - began
    monkeypatch.setattr(counting, "MEETING_SECONDS", 0.01)
    with pytest.raises(TimeoutError, match="not all 5"):
        counting.evaluate(context, replace(told, size=5).to_json())


def test_nobody_waits_for_a_process_that_has_failed(worker, tmp_path: Path) -> None:
    _, context, _, cell = worker()
    (tmp_path / counting.GONE).touch()
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="another of the processes has failed"):
        counting.evaluate(context, Awhile(cell.key, 1, 0, 2, str(tmp_path)).to_json())
    assert time.monotonic() - began < 0.1 * counting.MEETING_SECONDS


def test_steps_are_made_as_in_a_training_on_all_of_the_data(worker, tmp_path: Path, monkeypatch) -> None:
    """As a CUDA graph, where such a training is long enough to be one, though the few data are not."""
    evaluator, context, few, cell = worker(**{"dataset.batch_size": 2, "training_hyperparameters.epochs": 21})
    whole = -(-len(evaluator.dataset.train) // 2)
    assert steps_of(evaluator.config, evaluator.dataset) == 21 * whole > 21 * len(few.train) // 2
    asked: list[int] = []
    monkeypatch.setattr(counting.training, "fit", lambda *given: asked.append(given[-1].num_steps))
    counting.evaluate(context, Awhile(cell.key, 21 * whole, 0, 1, str(tmp_path)).to_json())
    assert asked == [21 * whole]


class Scripted:
    """An executor that answers so many processes at once with what is written for that number."""

    def __init__(self, answers: dict[int, list[Any]]) -> None:
        self.answers, self.told = answers, list[Awhile]()

    def run(self, jobs: Any) -> Any:
        self.told += [Awhile.from_json(job.payload) for job in jobs]
        for answer in self.answers[len(jobs)]:
            if isinstance(answer, Exception):
                raise answer
            yield answer


ANSWER = executors.Result("0", Counted(100, 1.0, 1, 2**40).to_json())
FAILED = executors.Result("0", None, "no memory\nat all", "out_of_memory")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([ANSWER, FAILED, executors.Result("1", None, "another has failed", "error")], "no memory"),
        ([ExecutorError("3 workers died in a row before they were set up")], "3 workers died in a row"),
        ([ANSWER, ExecutorError("the setup failed in a worker: exclusive mode\n\nlines")], "the setup"),
    ],
)
def test_as_many_as_cannot_be_trained_are_told_and_the_number_before_is_taken(
    config, monkeypatch, answers, expected
) -> None:
    executor = Scripted({1: [ANSWER], 2: [ANSWER, ANSWER], 4: answers})
    monkeypatch.setattr(trying.executors, "create", lambda *_, **__: nullcontext(executor))
    monkeypatch.setattr(trying.resources, "available_cores", lambda: list(range(4)))
    evaluator = evaluators.create(load_config(config(**{"others.executor": {"kind": "processes"}})))
    told: list[Any] = []
    found = packing.found(evaluator.config, evaluator.dataset, evaluator.spec, told.append)
    assert found.per_device == 2 and found.why == "4 at once could not be trained"
    texts = [event.text for event in told if isinstance(event, Told)]
    assert len(texts) == 2 and texts[0].startswith("4 at once on a GPU: " + expected)
    assert "\n" not in texts[0]
    assert {each.steps for each in executor.told} == {steps_of(evaluator.config, evaluator.dataset)}


def test_a_finished_search_that_lacks_its_model_tries_nothing(config, tmp_path, monkeypatch) -> None:
    """A minute of trying for a file that is made from kept weights, or for one training."""
    monkeypatch.chdir(tmp_path)
    found = search.search(load_config(config(**{"search_space.blocks": 1})))
    shutil.rmtree(found.folder / "best_model")

    def fail(*_: Any) -> None:
        raise AssertionError("it is tried how many share a GPU")

    monkeypatch.setattr(TrainingEvaluator, "num_workers", fail)
    search.resume(found.folder)
    assert (found.folder / "best_model" / "model.json").is_file()


def test_one_that_fails_is_told_to_the_others_at_once(tmp_path: Path) -> None:
    meetings: list[bool] = []

    class Watched(Scripted):
        def run(self, jobs: Any) -> Any:
            meeting = Path(Awhile.from_json(jobs[0].payload).meeting)
            for answer in super().run(jobs):
                yield answer
                meetings.append((meeting / counting.GONE).exists())

    trial = trying._Trial(Watched({2: [FAILED, FAILED]}), tmp_path, Awhile("", 1, 0, 1, ""), 0)
    assert trial.run(2) == "no memory"
    assert meetings == [True, True]


def test_few_examples_are_as_the_whole_data_are(config) -> None:
    evaluator = evaluators.create(load_config(config(**{"dataset.batch_size": 2})))
    few = trying.few_examples(evaluator.config, evaluator.dataset)
    assert len(few.train) == 2 * trying._NUM_BATCHES < len(evaluator.dataset.train)
    assert few.class_names == evaluator.dataset.class_names
    task = evaluators.training.candidate.tasks.get("image_classification")
    assert task.network_spec(evaluator.config, few) == evaluator.spec


@pytest.mark.slow
def test_processes_are_tried_at_once(config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying.resources, "available_cores", lambda: [0, 1])
    evaluator = evaluators.create(load_config(config(**{"others.executor": {"kind": "processes"}})))
    told: list[Any] = []
    found = packing.found(evaluator.config, evaluator.dataset, evaluator.spec, told.append)
    assert list(found.throughputs) == [1, 2] and found.per_device in (1, 2)
    assert all(steps > 0 for steps in found.throughputs.values())
    (result,) = (event.text for event in told if isinstance(event, Told))
    assert "on a GPU" in result and "1: " in result and "2: " in result


# --- on a GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU")
def test_a_gpu_trains_more_small_networks_at_once(config) -> None:
    fields = {"others.executor": {"kind": "processes"}, "others.train_strategy": "GPU"}
    evaluator = evaluators.create(load_config(config(**fields)))
    found = packing.found(evaluator.config, evaluator.dataset, evaluator.spec, lambda _: None)
    assert found.throughputs[1] > 0
    # Networks of a few filters leave a GPU idle; how many gain is the machine's to say.
    assert found.per_device > 1 or len(executors.available_cores()) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU")
def test_times_of_candidates_on_a_shared_gpu_are_those_alone(config, tmp_path: Path) -> None:
    times = {}
    for workers in (1, 3):
        changes = {
            "search_space.blocks": 1,
            "others.executor": {"kind": "processes", "workers": workers},
            "others.train_strategy": "GPU",
            "others.timing": "measured",
            "training_hyperparameters.epochs": 20,
        }
        run = search.search(config(**changes), name=f"workers-{workers}", logs=tmp_path).folder
        times[workers] = {
            item.cell: item.training_seconds for item in RunFolder.open(run).state().evaluations
        }
    assert times[1].keys() == times[3].keys() and len(times[1]) > 3
    ratios = [times[3][cell] / times[1][cell] for cell in times[1]]
    assert 0.85 < np.median(ratios) < 1.15
