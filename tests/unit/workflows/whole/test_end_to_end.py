"""The whole job: its state, the stages' command lines, what a resumed job does; no stage is run."""

import dataclasses
import json
import re
import time
from functools import partial

import numpy as np
import pytest

from popnas import tasks
from popnas.cells import Cell
from popnas.cli.jobs import e2e
from popnas.errors import ConfigError, DataError, PopnasError, RunFolderError, UserError
from popnas.evaluation import Evaluation
from popnas.events import Told, Warned
from popnas.export import description
from popnas.export.model_values import Deployment, Int8Summary, Int8Times, MeasuredFile, ModelDescription
from popnas.networks.spec import NetworkSpec
from popnas.runs import RunFolder
from popnas.storage import write_json
from popnas.workflows.models.folder import TrainingLog
from popnas.workflows.models.timing import epoch_time
from popnas.workflows.models.timing.epoch_time import SampleCost
from popnas.workflows.searching.plan import Plan, StepPlan
from popnas.workflows.settings import load_config
from popnas.workflows.whole import end_to_end as room
from popnas.workflows.whole import job, stage_processes
from popnas.workflows.whole.end_to_end import end_to_end, resume
from popnas.workflows.whole.fitting import Fitted
from popnas.workflows.whole.job import WholeJob
from popnas.workflows.whole.request import STAGES, JobRequest
from popnas.workflows.whole.state import JobState

CELL = "[(-1, identity, -1, identity)]"
DECIDE_SELECTION = WholeJob._decide_selection


@pytest.fixture
def stages(monkeypatch):
    """Command lines of the stages that were run, and what each was handed as told; `statuses` are their exit
    statuses, `during` what else happens in one, by name."""

    class Stages(list):
        def __init__(self):
            super().__init__()
            self.statuses = {}
            self.told, self.ahead, self.during = [], [], {}

    calls = Stages()

    def run_stage(arguments, stage, _before_exit):
        stage.on_beat()
        calls.told.append(list(stage.told))
        calls.ahead.append(stage.ahead)
        calls.during.get(arguments[0], lambda: None)()
        calls.append(arguments)
        if arguments[0] == "train":
            network = NetworkSpec("classification", (8, 8, 1), 2)
            times = Int8Times(None, None, None)
            int8 = Int8Summary(False, "none is made here", 9, 8, None, None, None, None, times)
            deployment = Deployment(MeasuredFile("model.onnx", "test", 8, 0.5, 99), int8)
            (calls.path / "final_training" / "deploy").mkdir(parents=True, exist_ok=True)
            description.write(
                calls.path / "final_training" / "deploy",
                ModelDescription("[]", network, ["a", "b"], params=1, flops=2, deployment=deployment),
            )
        return calls.statuses.get(arguments[0], 0)

    monkeypatch.setattr(stage_processes, "run_stage", run_stage)
    monkeypatch.setattr(room.plan.Planner, "plan", lambda self, config, tell=None: planned(config, tell))
    monkeypatch.setattr(WholeJob, "_decide_selection", lambda self: None)
    monkeypatch.setattr(WholeJob, "_decide_training", lambda self: None)
    return calls


def planned(config, tell):
    """Probes of some machine: the search takes 461 s, an epoch of one of its networks 1 s."""
    steps = [
        StepPlan(step, 1, count, count, (1, 2), seconds)
        for step, count, seconds in [(0, 1, 1.0), (1, 10, 60.0)]
    ]
    steps.append(StepPlan(2, 1, 4, 4, (1, 2), 400.0))
    found = Plan(steps, 15, 1.0, 461.0, 0.0, 0.0, 461.0, 0, 1, "cpu", {}, [])
    return dataclasses.replace(found, typical=CELL)


@pytest.fixture
def start(tmp_path, config, partial, stages):
    def call(**options):
        stages.path = tmp_path / "logs" / options.get("name", "job")
        whole = {"name": "job", "selection_partial": partial, "training_partial": partial, **options}
        fields = {field.name for field in dataclasses.fields(JobRequest)}
        request = JobRequest(**{name: whole.pop(name) for name in fields & whole.keys()})
        return end_to_end(whole.pop("config", config()), request, logs=tmp_path / "logs", **whole)

    return call


def test_the_last_lines_say_all_that_the_delivered_file_reaches(start):
    result = start()
    assert "Accuracy:   0.5000 on 8 samples (test)\nTime: " in e2e._as_text(result)
    measured = dataclasses.replace(result.deployed.deployment.measured, metrics={"mean_iou": 0.12345})
    deployment = dataclasses.replace(result.deployed.deployment, measured=measured)
    result = dataclasses.replace(result, deployed=dataclasses.replace(result.deployed, deployment=deployment))
    assert "Accuracy:   0.5000 on 8 samples (test)\nMean IoU:   0.1235\nTime: " in e2e._as_text(result)


def state_of(path):
    return json.loads((path / "e2e.json").read_text())


def test_the_stages_run_in_order_each_with_its_own_configuration(start, stages, partial):
    result = start(num_cells=3, params="500;3000", batch_size=64)
    folder = stages.path
    assert [call[0] for call in stages] == ["search", "select", "train", "evaluate"]
    assert stages[0] == ["search", "-r", str(folder)]
    assert stages[1][:7] == ["select", "-p", str(folder), "-k", "3", "--params", "500;3000"]
    assert stages[1][-2:] == stages[2][-2:] == ["-b", "64"]
    document = json.loads((folder / "restore" / "e2e_selection.json").read_text())
    assert document["training_hyperparameters"]["epochs"] == 3
    # The child scales the rate by its -b: it must not be scaled twice.
    assert document["training_hyperparameters"]["learning_rate"] == 0.01
    assert result.deployed.deployment.measured.accuracy == 0.5
    assert set(state_of(folder)["finished"]) == set(STAGES)


def test_a_stage_begins_when_the_memory_of_probes_is_given_back(start, stages, monkeypatch):
    order = []
    monkeypatch.setattr(job, "release_all", lambda: order.append("given back"))
    for name in ("search", "select", "train", "evaluate"):
        stages.during[name] = partial(order.append, name)
    start()
    assert order == [
        each for name in ("search", "select", "train", "evaluate") for each in ("given back", name)
    ]


@pytest.mark.parametrize("hours", [None, 1.0])
def test_how_many_share_a_gpu_is_found_once_for_the_search_alone(start, stages, monkeypatch, config, hours):
    found = dataclasses.replace(planned(None, None), workers_per_gpu=4)
    monkeypatch.setattr(room.plan.Planner, "plan", lambda self, config, tell=None: found)
    stages.statuses["search"] = 1
    with pytest.raises(PopnasError):
        start(config=config(**{"others.max_hours": hours}))
    with pytest.raises(PopnasError):
        resume(stages.path)
    for call in stages:
        assert call[:5] == ["search", "-r", str(stages.path), "--set", "others.executor.workers_per_gpu=4"]
        assert (call[-1].startswith("others.max_hours=")) == (hours is not None)
    assert len(stages) == 2
    if hours is not None:
        return
    stages.statuses.clear()
    resume(stages.path)
    document = json.loads((stages.path / "restore" / "e2e_selection.json").read_text())
    assert document["others"]["executor"]["workers_per_gpu"] is None


def test_an_ensemble_is_asked_of_the_final_training_whoever_goes_on(start, stages):
    stages.statuses["train"] = 1
    with pytest.raises(PopnasError):
        start(ensemble=3, max_params=900)
    stages.statuses.clear()
    resume(stages.path)
    for call in (call for call in stages if call[0] == "train"):
        assert call[3:7] == ["--ensemble", "3", "--max-params", "900"]
    with pytest.raises(UserError, match="2 to 32"):
        start(name="other", ensemble=1)


def test_a_limit_that_no_network_keeps_is_told_before_the_search(start, stages):
    stages.clear()
    with pytest.raises(UserError, match=r"`max_params` 99: the smallest .* has \d+ params"):
        start(ensemble=3, max_params=99)
    assert stages == [] and not stages.path.exists()


@pytest.mark.parametrize("failing", ["search", "select", "train", "evaluate"])
def test_a_stage_that_fails_stops_the_job_and_is_run_again(start, stages, failing):
    stages.statuses = {failing: 1}
    with pytest.raises(PopnasError, match="popnas e2e -r"):
        start()
    done = len(stages) - 1
    stages.clear()
    stages.statuses = {}
    resume(stages.path)
    assert [call[0] for call in stages] == ["search", "select", "train", "evaluate"][done:]
    stages.clear()
    resume(stages.path)
    assert stages == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (1, "training ended with exit status 1, as told above"),
        (-11, "was killed by SIGSEGV. What is finished"),
    ],
)
def test_how_a_stage_ended_is_told_in_words(start, stages, status, told):
    stages.statuses = {"train": status}
    with pytest.raises(PopnasError, match=told):
        start()


def test_an_interrupted_stage_interrupts_the_job(start, stages):
    stages.statuses = {"select": 130}
    with pytest.raises(KeyboardInterrupt):
        start()
    assert list(state_of(stages.path)["finished"]) == ["search"]


@pytest.mark.parametrize(
    ("options", "error", "expected"),
    [
        ({"params": "9;1"}, UserError, "reversed"),
        ({"selection_partial": {"training_hyperparameters": {"epoch": 1}}}, ConfigError, "epochs"),
        ({"training_partial": "nowhere.json"}, ConfigError, "nowhere"),
        ({"training_partial": {"others": {"train_strategy": "TPU"}}}, UserError, "TPU"),
        ({"config": {"dataset": {"type": "image_classification", "name": "digit"}}}, ConfigError, "digits"),
        ({"config": {"dataset": {"type": "image_classification", "path": "nowhere"}}}, DataError, "nowhere"),
    ],
)
def test_mistakes_are_told_before_there_is_a_folder(start, stages, tmp_path, options, error, expected):
    with pytest.raises(error, match=expected):
        start(**options)
    assert stages == []
    assert not (tmp_path / "logs").exists()


def test_test_data_that_cannot_be_used_are_told_first(start, stages, tmp_path, config):
    rng = np.random.default_rng(0)
    for split, classes in (("train", 2), ("test", 3)):
        x = rng.integers(0, 255, (60, 8, 8, 1)).astype(np.uint8)
        np.savez(tmp_path / f"{split}.npz", x=x, y=np.arange(60) % classes)
    document = config(**{"dataset.name": None, "dataset.path": str(tmp_path), "dataset.samples": None})
    with pytest.raises(DataError, match="no training example has: 2"):
        start(config=document)
    assert stages == []
    assert not (tmp_path / "logs").exists()


def test_what_is_known_of_the_data_is_told_before_the_stages(start, stages, noted_data):
    heard = []
    start(tell=lambda event: heard.append((event, len(stages))))
    told = [Warned(note) for note in noted_data]
    assert [found for found in heard if found[0] in told] == [(note, 0) for note in told]


def test_a_name_that_is_taken_is_told(start, stages, tmp_path):
    (tmp_path / "logs" / "job").mkdir(parents=True)
    (tmp_path / "logs" / "job" / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="exists already"):
        start()
    (tmp_path / "logs" / "empty").mkdir()
    start(name="empty")
    assert [path.name for path in (tmp_path / "logs").iterdir() if path.name.startswith(".")] == []


def test_a_run_of_another_command_cannot_be_resumed(run):
    with pytest.raises(RunFolderError, match="popnas search -r"):
        resume(run)


def test_a_job_with_a_limit_is_cut_and_says_so(start, stages, monkeypatch, config, partial):
    monkeypatch.setattr(WholeJob, "_decide_selection", lambda self: self.state.until.update(selection=240))
    monkeypatch.setattr(WholeJob, "_decide_training", lambda self: self.state.until.update(training=360))
    result = start(config=config(**{"others.max_hours": 0.1}))
    assert any("max_children 3 ->" in cut for cut in result.cuts)
    run_json = load_config(json.loads((stages.path / "restore" / "run.json").read_text()))
    assert run_json.search_strategy.max_children < 3
    assert stages[0][-2] == "--set"
    share = float(stages[0][-1].removeprefix("others.max_hours=")) * 3600
    assert 100 < share < 360
    limit = json.loads((stages.path / "restore" / "e2e_selection.json").read_text())["others"]["max_hours"]
    assert 0 < limit * 3600 <= 240
    assert "max_children 3 -&gt;" in (stages.path / "report.html").read_text()


@pytest.mark.parametrize(("seconds_a_sample", "budget"), [(1e-6, "epochs"), (0.5, "seconds")])
def test_networks_get_equal_time_where_their_trainings_are_cut(
    start, stages, monkeypatch, config, seconds_a_sample, budget
):
    """Else the final training has all its epochs, and so have they."""
    monkeypatch.setattr(WholeJob, "_decide_selection", DECIDE_SELECTION)
    monkeypatch.setattr(WholeJob, "_decide_training", lambda self: self.state.until.update(training=700))
    probed = []

    def sample_cost(config, *_):
        probed.append(config.dataset.batch_size)
        return SampleCost(seconds_a_sample, 0.0)

    monkeypatch.setattr(epoch_time, "sample_cost", sample_cost)
    cells = [Cell.parse(CELL), Cell.parse("[(-1, 3x3 conv, -1, identity)]")]
    monkeypatch.setattr("popnas.workflows.models.selection.chosen_cells", lambda *_, **__: cells)
    start(config=config(**{"others.max_hours": 0.25}), batch_size=64)
    assert set(probed) == {64}, "as it is trained"
    document = json.loads((stages.path / "restore" / "e2e_selection.json").read_text())
    assert document["others"]["selection_budget"] == budget and document["dataset"]["batch_size"] == 32
    assert (document["training_hyperparameters"]["epochs"] < 3) == (budget == "seconds")


def test_a_search_whose_first_steps_do_not_fit_is_cut_further_and_the_stages_after_it_are_not(
    start, stages, monkeypatch, config
):
    monkeypatch.setattr(WholeJob, "_decide_selection", lambda self: self.state.until.update(selection=90))
    monkeypatch.setattr(WholeJob, "_decide_training", lambda self: self.state.until.update(training=140))
    asked = []

    def fit(config, hours, *, planner, planned):
        asked.append(hours * 3600)
        return Fitted({"dataset.samples": 90, "search_space.blocks": 1}, planned=planned)

    monkeypatch.setattr(room, "fit_search", fit)
    result = start(config=config(**{"others.max_hours": 0.04}))  # 144 s; the first steps and one child: 185 s
    assert 0 < asked[0] < 144
    searched = load_config(json.loads((stages.path / "restore" / "run.json").read_text()))
    assert (searched.dataset.samples, searched.search_space.blocks) == (90, 1)
    selection = json.loads((stages.path / "restore" / "e2e_selection.json").read_text())
    assert selection["dataset"]["samples"] == load_config(config()).dataset.samples != 90
    assert selection["search_space"]["blocks"] == 1
    assert any("dataset.samples" in cut and "-> 90" in cut for cut in result.cuts)


def test_the_time_before_the_job_s_start_counts(start):
    assert start(began=time.monotonic() - 1000).seconds > 1000


def test_an_epoch_is_timed_without_the_first_or_probed(config):
    log = partial(TrainingLog, threads=1, training_seconds=1.0)
    assert epoch_time.logged(log(epoch_seconds=[9.0, 1.0, 2.0, 1.5])) == 1.5
    assert epoch_time.logged(log(epoch_seconds=[9.0, 1.0])) is None
    assert epoch_time.logged(log()) is None
    records = [{"training_seconds": 3.0, "validation_seconds": 1.0}] * 4
    assert epoch_time.logged(log(epoch_seconds=[9.0, 1.0, 2.0, 1.6], epochs=records)) == pytest.approx(1.2)
    run_config = load_config(config())
    dataset = tasks.get(run_config.dataset.type).load(run_config)
    seconds = epoch_time.probed(run_config, dataset, Cell.parse("[(-1, 3x3 conv, -1, identity)]"))
    assert 0 < seconds < 1


def test_what_the_job_or_a_stage_has_told_is_handed_to_the_stages_after_it(start, stages, noted_data):
    def search():
        write_json(stages.path / "progress.json", {"warnings": ["odd memory"]})

    stages.during = {"search": search}
    heard = []
    start(tell=heard.append)
    warned = [event.text for event in heard if isinstance(event, Warned)]
    assert set(noted_data) <= set(warned)
    assert stages.told[0] == warned
    assert "odd memory" in stages.told[1] and set(warned) <= set(stages.told[-1])


def searched(stages):
    """What a search leaves of its one cell."""
    folder = RunFolder.open(stages.path)
    item = Evaluation(CELL, 1, 0, False, 1, {"accuracy": 0.75}, 0.75, 1.0, 0.001, params=1000, flops=10)
    with folder.journal as log:
        sizes = {"train": 80, "validation": 20}
        facts = {"input_shape": [8, 8, 1], "class_names": ["a", "b"], "sha256": "0" * 64}
        log.append("data", {**facts, "sizes": sizes})
        cells = [{"cell": CELL, "is_exploration": False, "predictions": {}}]
        log.append("proposals", {"step": 1, "cells": cells})
        log.append("evaluation", item.content(), {"wall_seconds": 2.0})


def test_the_job_tells_what_the_search_found_and_the_time_left_before_every_stage(start, stages):
    stages.during = {"search": lambda: searched(stages)}
    heard = []
    start(tell=heard.append)
    told = [event.text for event in heard if isinstance(event, Told)]
    assert told[1] == f"Best cell of the search: {CELL}, validation 0.7500"
    del told[1]
    names = ["search", "selection", "training", "evaluation"]
    for number, (text, name) in enumerate(zip(told, names, strict=True), start=1):
        assert re.fullmatch(rf"\[{number}/4\] {name}; whole job: about \d+ (s|min) left", text)
    left = [ahead.seconds for ahead in stages.ahead]
    assert left == sorted(left, reverse=True)
    assert [step.step for step in stages.ahead[0].steps] == [0, 1, 2]
    assert stages.ahead[0].steps[2].candidate == pytest.approx(stages.ahead[0].steps[2].seconds / 4)
    assert [ahead.later_trainings for ahead in stages.ahead[-2:]] == [0, 0]


def test_more_networks_are_expected_to_take_longer(start, stages):
    left = []
    for name, params in (("few", None), ("many", "300;300000")):
        stages.ahead.clear()
        start(params=params, name=name)
        left.append(stages.ahead[1].trainings)
    assert left[1] > left[0] > 0


def test_a_job_that_goes_on_expects_less_of_the_stage_that_was_interrupted(start, stages, monkeypatch):
    stages.statuses = {"search": 130}
    with pytest.raises(KeyboardInterrupt):
        start()
    stages.statuses = {}
    state = JobState.read(stages.path)
    state.spent_seconds += 100.0
    state.write(stages.path)
    resume(stages.path)
    first, second = stages.ahead[:2]
    assert second.trainings == pytest.approx(first.trainings - 100.0, abs=1.0)
    assert second.later_trainings == first.later_trainings
    assert second.steps == first.steps


def test_a_job_of_an_earlier_version_goes_on_without_an_estimate(start, stages):
    stages.statuses = {"search": 130}
    with pytest.raises(KeyboardInterrupt):
        start()
    stages.statuses = {}
    content = state_of(stages.path)
    for name in ("last", "started", "expected", "sha256"):
        del content[name]
    write_json(stages.path / "e2e.json", content)
    heard = []
    resume(stages.path, tell=heard.append)
    assert next(event.text for event in heard if isinstance(event, Told)) == "[1/4] search"
    assert stages.ahead[-1] is None


def ended(stages, reason):
    """A search that has trained nothing and ended."""
    with RunFolder.open(stages.path).journal as log:
        log.append("run_finished", {"reason": reason})


def test_a_search_that_found_nothing_in_its_share_gets_more_of_the_time_once(start, stages, config):
    stages.during = {"search": lambda: ended(stages, "max_hours")}
    heard = []
    with pytest.raises(PopnasError, match="before any network was trained") as found:
        start(config=config(**{"others.max_hours": 1.0}), tell=heard.append)
    begun = [event.text for event in heard if isinstance(event, Told) and "[1/4]" in event.text]
    again = "[1/4] search, with more time: its share ended before a network was trained; "
    assert [text.startswith(again) for text in begun] == [False, True]
    # What it says goes on with what is there.
    assert f"search -r {stages.path} --set others.max_hours=null" in str(found.value)
    assert [call[0] for call in stages] == ["search", "search"]
    assert "search" not in state_of(stages.path)["finished"]


def test_a_search_that_found_nothing_ends_the_job(start, stages):
    stages.during = {"search": lambda: ended(stages, "no_candidates")}
    with pytest.raises(UserError, match="no cell was trained successfully"):
        start()
    assert [call[0] for call in stages] == ["search"]
