"""Configurations of older versions of POPNAS are rewritten; every change is told, nothing is guessed."""

from __future__ import annotations

import copy
import json

import pytest

from popnas import config
from popnas.cli.main import run
from popnas.errors import ConfigError

OLD = {
    "search_space": {"blocks": 2, "lookback_depth": 1, "operators": ["identity", "8 SE"]},
    "training_hyperparameters": {"learning_rate": 0.02},
    "cnn_hp": {"epochs": 2, "filters": 8, "learning_rate": 0.5, "gone": [1]},
    "architecture_parameters": {"motifs": 2},
    "dataset": {
        "type": "image_classification",
        "name": "digits",
        "resize": {"enabled": False, "width": 8, "height": 8},
        "data_augmentation": {"enabled": True, "perform_on_gpu": True},
    },
    "others": {"save_children_as_onnx": True},
}


def test_leftovers_are_moved_renamed_or_removed_and_each_is_told():
    before = copy.deepcopy(OLD)
    found = config.migrated(OLD)
    assert before == OLD
    loaded = config.load(found.document)
    assert loaded.training_hyperparameters.epochs == 2
    assert loaded.training_hyperparameters.learning_rate == 0.02, "what is given in today's place stays"
    assert loaded.architecture_hyperparameters.filters == 8
    assert loaded.architecture_hyperparameters.motifs == 2
    assert loaded.dataset.resize is None
    assert loaded.dataset.data_augmentation.enabled
    assert loaded.others.save_children_models
    assert loaded.search_space.operators == ("identity", "8r SE")
    assert set(found.notes) == {
        "cnn_hp.epochs: moved to training_hyperparameters.epochs.",
        "cnn_hp.filters: moved to architecture_hyperparameters.filters.",
        "cnn_hp.learning_rate: removed, as training_hyperparameters.learning_rate is given too; it was 0.5.",
        "cnn_hp.gone: removed, no field is called so any more; it was the list [1].",
        "cnn_hp: removed, a section of POPNAS 3.0 to 3.4.",
        "architecture_parameters.motifs: moved to architecture_hyperparameters.motifs.",
        "architecture_parameters: removed, a section of POPNAS 3.0 to 3.4.",
        "dataset.resize: null, as dataset.resize.enabled was false.",
        "dataset.data_augmentation.perform_on_gpu: removed; it is done on the device that trains.",
        "others.save_children_as_onnx: is called others.save_children_models now.",
        "search_space.operators[1]: '8 SE' is written '8r SE' now.",
    }


def test_a_size_that_was_switched_on_stays():
    dataset = {**OLD["dataset"], "resize": {"enabled": True, "width": 8, "height": 9}}
    found = config.migrated({"dataset": dataset})
    assert found.document["dataset"]["resize"] == {"width": 8, "height": 9}


@pytest.mark.parametrize("preset", config.preset_names())
def test_what_is_of_today_is_left_alone(preset):
    found = config.migrated(preset)
    assert found.notes == ()
    assert config.load(found.document) == config.load(preset)


@pytest.mark.parametrize("odd", [[], 3, "text", None])
@pytest.mark.parametrize("place", ["search_space", "dataset", "others", "cnn_hp", "training_hyperparameters"])
def test_malformed_sections_are_left_to_the_check(place, odd):
    document = {**OLD, place: odd}
    assert config.migrated(document).notes
    with pytest.raises(ConfigError):
        config.migrated([document])


def test_the_command_writes_a_file_that_checks_and_keeps_what_is_there(tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("// mine\n" + json.dumps(OLD))
    assert run(["config", "migrate", str(old), "-o", str(new)]) == 0
    shown = capsys.readouterr()
    assert f"Wrote {new}." in shown.out
    assert "others.save_children_as_onnx: is called others.save_children_models now." in shown.err
    assert run(["config", "check", "-j", str(new)]) == 0
    written = new.read_text()
    assert run(["config", "migrate", str(old), "-o", str(new)]) == 2
    assert f"{new} exists" in capsys.readouterr().err
    assert new.read_text() == written


def test_without_a_file_it_is_printed(tmp_path, capsys):
    old = tmp_path / "old.json"
    old.write_text('{"others": {"seed": 3}}')
    assert run(["config", "migrate", str(old)]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"others": {"seed": 3}}
    assert shown.err == "nothing to change.\n"
    assert run(["config", "migrate", str(tmp_path / "none.json")]) == 2
