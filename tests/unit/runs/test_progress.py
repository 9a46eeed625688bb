"""`progress.json`: what stands there while a stage runs, and after it."""

import json
import os
from pathlib import Path

import pytest

from popnas.errors import StorageError, UserError
from popnas.evaluation import Evaluation
from popnas.events import (
    CandidateFinished,
    EpochFinished,
    ModelFinished,
    PhaseStarted,
    SecondsLeft,
    StepStarted,
    Told,
    TrainingsStarted,
    Warned,
)
from popnas.runs.stored import progress

CELL = "[(-1, identity, -1, identity)]"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_LEAST_SECONDS", 0.0)
    return tmp_path / "progress.json"


def read(path):
    return json.loads(path.read_text())


def candidate(index, score, step=1):
    return Evaluation(cell=CELL, step=step, index=index, is_exploration=False, seed=1, score=score)


def test_a_search_as_it_goes(path):
    heard = []
    with progress.kept(path, "search", heard.append) as tell:
        tell(PhaseStarted("loading the data"))
        assert read(path)["phase"] == "loading the data"
        tell(StepStarted(2, 5, 1))
        tell(EpochFinished("1", 3, 20))
        tell(EpochFinished("2", 1, 20))
        tell(CandidateFinished(candidate(1, 0.5), SecondsLeft(12.0, None)))
        tell(CandidateFinished(candidate(9, 0.4), SecondsLeft(11.0, None)))
        tell(Warned("odd data"))
        found = read(path)
    assert {key: found[key] for key in ("stage", "state", "phase", "done", "total", "best_score", "pid")} == {
        "stage": "search",
        "state": "running",
        "phase": "step 2",
        "done": 3,
        "total": 5,
        "best_score": 0.5,
        "pid": os.getpid(),
    }
    assert found["networks"] == {"2": {"epoch": 1, "num_epochs": 20}}
    assert found["seconds_left"] == {"step": pytest.approx(11.0, abs=0.5), "search": None}
    assert found["warnings"] == ["odd data"]
    over = read(path)
    assert (over["state"], over["networks"], over["seconds_left"]) == ("finished", {}, None)
    assert len(heard) == 7, "the other listener hears all"


def test_models_that_are_trained(path):
    with progress.kept(path, "model_selection", lambda event: None) as tell:
        tell(TrainingsStarted((Path("a/0"), Path("a/1")), 7))
        tell(EpochFinished("0", 3, 7))
        tell(ModelFinished(Path("a/0"), "validation 0.9"))
        assert (read(path)["done"], read(path)["total"], read(path)["networks"]) == (1, 2, {})


@pytest.mark.parametrize(
    ("error", "state"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed"), (SystemExit, "failed")]
)
def test_how_it_ended_stands_there(path, error, state):
    with pytest.raises(error), progress.kept(path, "search", lambda event: None):
        raise error
    assert read(path)["state"] == state


@pytest.mark.parametrize("before", [b'{"state": "finished"}', None])
def test_a_mistake_in_what_was_asked_for_says_nothing_of_the_run(path, before):
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(UserError), progress.kept(path, "final_training", lambda event: None) as tell:
        tell(PhaseStarted("loading the data"))
        assert read(path)["stage"] == "final_training"
        raise UserError("another training is there. Choose another `name`.")
    assert (path.read_bytes() if path.exists() else None) == before
    assert not path.with_name("critical.log").exists()
    assert path.with_name("debug.log").read_text().endswith("final_training: refused\n")


def test_what_comes_fast_is_written_once(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(progress, "write_json", lambda path, content: written.append(content))
    with progress.kept(tmp_path / "progress.json", "search", lambda event: None) as tell:
        tell(StepStarted(1, 1000, 0))
        for number in range(1000):
            tell(EpochFinished("0", number, 1000))
    assert len(written) < 10
    assert written[0]["phase"] == "step 1" and written[-1]["state"] == "finished"


def test_a_disk_that_refuses_harms_nothing(tmp_path, monkeypatch):
    def refuse(path, content):
        raise StorageError("the disk is full")

    monkeypatch.setattr(progress, "write_json", refuse)
    heard = []
    with progress.kept(tmp_path / "progress.json", "search", heard.append) as tell:
        tell(Told("a result"))
    assert heard == [Told("a result")]


def test_warnings_of_a_stage_are_read_again_or_none(path):
    assert progress.warnings(path) == []
    with progress.kept(path, "search", lambda event: None) as tell:
        tell(Warned("odd data"))
    assert progress.warnings(path) == ["odd data"]
    for broken in ("{", "[]", '{"warnings": [1]}', "{}"):
        path.write_text(broken)
        assert progress.warnings(path) == []
