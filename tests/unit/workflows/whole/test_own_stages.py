"""The whole job in this process: the same job, stages and state as with a process each."""

import dataclasses
import json

import pytest

from popnas.events import Told, Warned
from popnas.workflows.models import selection
from popnas.workflows.whole import end_to_end as room
from popnas.workflows.whole.job import WholeJob
from popnas.workflows.whole.request import STAGES, JobRequest
from popnas.workflows.whole.stages import OwnStages
from popnas.workflows.whole.state import JobState


@pytest.fixture
def document(config):
    return config(**{"others.executor": {"kind": "inline"}, "search_space.blocks": 1, "dataset.samples": 120})


@pytest.fixture
def request_(partial):
    return JobRequest(partial, partial, num_cells=1)


@pytest.mark.slow
def test_all_stages_run_here_and_tell_no_warning_twice(tmp_path, document, request_, noted_data):
    heard = []
    result = room.end_to_end(
        document, request_, OwnStages(heard.append), name="job", logs=tmp_path, tell=heard.append
    )
    assert result.folder == tmp_path / "job"
    assert result.deployed.deployment.measured.split == "test"
    assert set(JobState.read(result.folder).finished) == set(STAGES)
    told = [event.text for event in heard if isinstance(event, Warned)]
    assert len(told) == len(set(told)) and set(noted_data) <= set(told)
    assert [text for event in heard if isinstance(event, Told) if (text := event.text)[0] == "["] == [
        f"[{number}/4] {stage}" for number, stage in enumerate(STAGES, start=1)
    ]


@pytest.mark.slow
def test_a_whole_job_delivers_an_ensemble_and_says_what_it_is_worth(tmp_path, document, request_):
    request = dataclasses.replace(request_, ensemble=2)
    document["dataset"]["folds"] = 2
    result = room.end_to_end(document, request, OwnStages(lambda event: None), name="job", logs=tmp_path)
    plan = result.ensemble
    assert len(plan.sizes) == 2 and len(result.deployed.members or [1]) == plan.chosen
    page = (result.folder / "report.html").read_text()
    assert "Each line is of all networks up to it" in page and "2 folds" in page
    assert JobState.read(result.folder).ensemble == 2


def test_a_job_ends_with_the_stage_that_is_asked_for(tmp_path, document, request_):
    request = dataclasses.replace(request_, last="selection")
    job = room.start(document, request, OwnStages(lambda event: None), name="job", logs=tmp_path)
    job.run()
    assert list(job.state.finished) == ["search", "selection"]
    assert not job.folder.final_training.exists()
    selected = selection.read_selection(job.folder.model_selection)
    assert [model.reference for model in selected] == [None, "residual"]
    again = WholeJob(job.folder, OwnStages(lambda event: None), pytest.fail, 0.0)
    again.tell = lambda event: None
    again.run()
    assert again.state.finished == job.state.finished


def test_a_stage_keeps_the_limit_of_its_own_configuration(tmp_path, document, partial, monkeypatch):
    seen = []
    for name in ("search", "select", "train"):
        monkeypatch.setattr(OwnStages, name, lambda self, stage, *given: seen.append((stage.name, given)))
    limited = {**partial, "others": {"max_hours": 0.5}}
    request = JobRequest(limited, partial, last="training")
    job = room.start(document, request, OwnStages(lambda event: None), name="job", logs=tmp_path)
    job.run()
    path = seen[1][1][1]
    assert json.loads(path.read_text())["others"]["max_hours"] == 0.5
    path = seen[2][1][1]
    assert json.loads(path.read_text())["others"]["max_hours"] is None
