"""A run finds its data again: from another folder, and at another place if they are the same."""

import json

import numpy as np
import pytest

from popnas.errors import DataError, UserError
from popnas.events import Warned
from popnas.runs import RunFolder
from popnas.workflows.data import run_data
from popnas.workflows.models.choices import CellChoice
from popnas.workflows.models.deployment import deploy
from popnas.workflows.models.evaluation import evaluate
from popnas.workflows.models.final_training import train
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.selection import select
from popnas.workflows.searching.search import resume, search

TINY = {
    "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["identity", "3x3 dconv"]},
    "training_hyperparameters": {"epochs": 1},
    "architecture_hyperparameters": {"filters": 2, "motifs": 1, "normal_cells_per_motif": 1},
    "dataset": {"type": "image_classification", "path": "data", "batch_size": 8, "validation_size": 0.25},
    "others": {"timing": "simulated", "executor": {"kind": "inline"}, "max_hours": 1e-9},
}


def write_data(folder, seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for split, number in (("train", 32), ("test", 8)):
        x, y = rng.integers(0, 256, (number, 6, 6, 1)).astype(np.uint8), np.arange(number) % 2
        np.savez(folder / f"{split}.npz", x=x, y=y)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    return tmp_path


def test_a_search_goes_on_from_another_folder_and_with_data_that_were_moved(place, monkeypatch):
    run = search(TINY, name="run").folder.resolve()
    assert json.loads((run / "restore" / "run.json").read_text())["dataset"]["path"] == "data"
    content = RunFolder.open(run).journal.events()[0].content
    assert content["config"]["dataset"]["path"] == "data"  # search content names no place of this machine
    monkeypatch.chdir(place / "elsewhere")
    assert resume(run).reason == "max_hours"
    (place / "data").rename(place / "moved")
    with pytest.raises(DataError, match=r"popnas search -r .*run --set dataset.path=PLACE"):
        resume(run)
    assert resume(run, sets=["dataset.path=../moved", "others.max_hours=null"]).reason == "completed"
    monkeypatch.chdir(place)
    assert RunFolder.open(run).config_json()["dataset"]["path"].endswith("moved")  # it remembers
    (found,) = evaluate(run)
    assert found.result.num_samples == 8


def test_later_stages_tell_of_data_that_were_changed_in_their_place(place):
    run = search({**TINY, "others": {**TINY["others"], "max_hours": None}}, name="run").folder
    short = {"training_hyperparameters": {"epochs": 1}}
    stages = {
        "final_training": lambda name, tell: train(run, partial=short, name=name, tell=tell),
        "model_selection": lambda name, tell: select(run, CellChoice(1), partial=short, name=name, tell=tell),
    }

    def texts(job):
        heard = []
        job(heard.append)
        found = [event.text for event in heard if isinstance(event, Warned)]
        return [text for text in found if "this run was started" in text]

    def warned(stage, name):
        return texts(lambda tell: stages[stage](name, tell))

    looks = (
        lambda tell: evaluate(run, tell=tell),
        lambda tell: deploy(ModelFolder(run / "best_model"), place / "deployed", tell=tell),
    )
    assert [warned(stage, "same") for stage in stages] == [[], []]
    assert [texts(look) for look in looks] == [[], []]
    data = dict(np.load(place / "data" / "train.npz"))
    np.savez(place / "data" / "train.npz", x=data["x"], y=1 - data["y"])
    assert [len(warned(stage, "flipped")) for stage in stages] == [1, 1]
    assert [len(texts(look)) for look in looks] == [1, 1]
    np.savez(place / "data" / "train.npz", x=data["x"][:24], y=data["y"][:24])
    for stage in stages:
        with pytest.raises(DataError, match="numbers of examples were"):
            warned(stage, "fewer")
    assert [len(texts(look)) for look in looks] == [1, 1]


def test_other_data_are_refused_wherever_they_are_named(place):
    run = search({**TINY, "others": {**TINY["others"], "max_hours": None}}, name="run").folder
    write_data(place / "other", seed=1)
    for command in (
        lambda: resume(run, sets=["dataset.path=other"]),
        lambda: evaluate(run, sets=["dataset.path=other"]),
        lambda: run_data.check_same(RunFolder.open(run), "other"),
    ):
        with pytest.raises(DataError, match="other are not those that this run was started with"):
            command()
    with pytest.raises(UserError, match=r"only dataset.path may be changed"):
        evaluate(run, sets=["dataset.batch_size=1"])
    with pytest.raises(UserError, match=r"dataset.path may be changed"):
        resume(run, sets=["dataset.batch_size=1"])
    (place / "data").rename(place / "moved")
    (found,) = evaluate(run, sets=["dataset.path=moved"])
    assert found.result.num_samples == 8
