"""`popnas list`."""

import json

import pytest

from popnas import config
from popnas.cli.main import run
from popnas.config import load
from popnas.runs import RunFolder


@pytest.mark.parametrize(
    ("family", "key", "some"),
    [
        ("operators", "family", {"identity", "conv", "lstm"}),
        ("predictors", "name", {"gin"}),
        ("evaluators", "name", {"training"}),
        ("objectives", "name", {"score", "time", "inference_time", "params", "flops"}),
        ("tasks", "name", {"image_classification", "time_series_classification"}),
        ("datasets", "source", {"digits"}),
        ("executors", "name", {"inline", "processes"}),
        ("macros", "name", {"classification", "segmentation_fixed"}),
        ("trackers", "name", {"tensorboard"}),
        ("presets", "name", {"run", "run_ts", "model_selection_images", "last_training"}),
    ],
)
def test_what_there_is(family, key, some, capsys):
    assert run(["list", family, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert some <= {row[key] for row in rows}
    assert all(row["description"] for row in rows)
    assert run(["list", family]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in some)


def test_presets_say_what_they_are_for_and_how_large_they_are(capsys):
    assert run(["list", "presets", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {*config.preset_names(), *config.partial_preset_names()}
    # 5 operators on 2 lookbacks: 10 * 11 / 2 cells of one block, the empty one, two steps of 16 + 4.
    assert rows["run"] == {
        "name": "run",
        "for": "search",
        "data": "digits",
        "networks": 1 + 55 + (16 + 4) + 16,
        "epochs": 8,
        "description": config.preset_description("run"),
    }
    assert rows["last_training_ts"]["for"] == "final training"
    assert rows["last_training_ts"]["epochs"] == 600
    assert rows["model_selection_ts"]["for"] == "model selection"


def test_no_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["list", "runs"]) == 0
    assert capsys.readouterr().err == "No runs below logs.\n"
    for options in (["gone"], ["--logs", "gone", "--json"]):
        assert run(["list", "runs", *options]) == 2
        assert "gone does not exist. Give the folder of runs, or one run." in capsys.readouterr().err
    assert run(["list", "runs", "--logs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_runs_and_a_broken_one(tmp_path, capsys):
    RunFolder.create(tmp_path / "mine", load("run_debug").to_json())
    (tmp_path / "broken" / "restore").mkdir(parents=True)
    assert run(["list", "runs", "--logs", str(tmp_path), "--json"]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"]["data"] == "digits"
    assert rows["mine"]["steps"] == "0 of 3"
    assert rows["mine"]["best_score"] is None
    assert rows["mine"]["state"] == f"unfinished; go on with: popnas search -r {tmp_path / 'mine'}"
    assert rows["broken"]["state"].startswith("unreadable: ")


def test_the_folder_of_runs_is_an_argument_and_may_be_one_run(tmp_path, capsys):
    for name in ("mine", "other"):
        RunFolder.create(tmp_path / name, load("run_debug").to_json())
    for place, names in ((tmp_path, {"mine", "other"}), (tmp_path / "mine", {"mine"})):
        assert run(["list", "runs", str(place), "--json"]) == 0
        assert {row["run"] for row in json.loads(capsys.readouterr().out)} == names
