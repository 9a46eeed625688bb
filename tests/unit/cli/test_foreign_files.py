"""Every command that reads a run's folder refuses files of another run in it, as Python's names do."""

import json
import shutil
from pathlib import Path

import pytest

import popnas
from popnas.cli.main import run as command_line
from popnas.errors import PopnasError
from popnas.runs import RunFolder, identity
from popnas.runs.journal import scan
from popnas.storage import write_json

OLD = Path(__file__).parents[2] / "data" / "journal_0.1.0"
COMMANDS = [
    ["search", "-r"],
    ["e2e", "-r"],
    ["report"],
    ["pick"],
    ["journal"],
    ["journal", "--content"],
    ["select", "-p"],
    ["train", "-p"],
    ["evaluate", "-p"],
    ["export", "-p"],
    ["dataset", "masks", "-p"],
]
STAGES = ["best_model/model.json", "model_selection/selection.json", "final_training/training.json"]


def make(path, **others):
    """A searched run with the signed files of later stages."""
    config = json.loads((OLD / "run.json").read_text())
    config["others"] |= others
    folder = RunFolder.create(path, config)
    with folder.journal as journal:
        for event in scan((OLD / "journal.jsonl").read_bytes(), OLD).events[1:]:
            journal.append(event.event, event.content, event.volatile)
    for name in STAGES:
        network = {"macro": "classification", "input_shape": [8, 8, 1], "num_classes": 1}
        content = {"cell": "[]", "network": network, "class_names": ["0"]}
        write_json(path / name, {identity.KEY: identity.of(path), **content}, is_proven=True)
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return make(folder / "mine"), make(folder / "other", seed=12345)


@pytest.mark.parametrize("name", ["restore/journal.jsonl", "restore/run.json", *STAGES])
def test_files_of_another_run_are_refused_by_every_command(pair, tmp_path, name, capsys):
    mine = tmp_path / "mine"
    shutil.copytree(pair[0].path, mine)
    shutil.copy(pair[1].path / name, mine / name)
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    for command in COMMANDS:
        status = command_line([*command, str(mine)])
        words = capsys.readouterr().err
        assert status == 2, (command, words)
        assert "of another run" in words, (command, words)
        assert str(mine / name) in words, (command, words)
        assert words.count("\n") == 1, (command, words)
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before
    with pytest.raises(PopnasError, match="of another run"):
        popnas.Run(mine)


def test_a_model_of_another_run_is_not_loaded_as_this_ones(pair, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(pair[0].path, mine)
    shutil.copy(pair[1].path / "best_model/model.json", mine / "best_model/model.json")
    for place in (mine, mine / "best_model"):
        with pytest.raises(PopnasError, match=r"model.json is of another run than"):
            popnas.load(place)
