"""The presets that ship with the package."""

import json
from pathlib import Path

import pytest

from popnas import config, tasks
from popnas.events import Told
from popnas.workflows.models import requests
from popnas.workflows.settings import load_config, name_rules, unused

SERIES = {"type": "time_series_classification", "name": "ItalyPowerDemand"}
CONFIGS = Path(__file__).parents[3] / "configs"
ALL = [*config.preset_names(), *config.partial_preset_names()]


def test_names():
    assert config.preset_names() == ["run", "run_cifar10", "run_debug", "run_seg", "run_seg_debug", "run_ts"]
    assert config.partial_preset_names() == [
        "last_training",
        "last_training_debug",
        "last_training_images",
        "last_training_ts",
        "model_selection_debug",
        "model_selection_images",
        "model_selection_training",
        "model_selection_ts",
    ]


def test_configs_shows_the_same_files():
    shown = {path.stem: path.read_text(encoding="utf-8") for path in CONFIGS.glob("*.json")}
    assert shown == {name: config.preset_text(name) for name in ALL}


@pytest.mark.parametrize("name", config.preset_names())
def test_presets_load_without_warnings_and_round_trip(name):
    loaded = load_config(name)
    assert unused(loaded) == []
    assert load_config(loaded.to_json()) == loaded
    assert loaded.others.train_strategy == "auto"


@pytest.mark.parametrize("name", config.partial_preset_names())
def test_partial_presets_suit_a_run(name):
    base = load_config("run_cifar10")
    merged = config.merge(base, name)
    if not name.endswith("_debug"):
        assert merged.training_hyperparameters.epochs > base.training_hyperparameters.epochs
    assert merged.search_space == base.search_space


@pytest.mark.parametrize("task", tasks.REGISTRY.names())
def test_a_task_names_presets_for_the_stages_after_the_search(task):
    found = tasks.get(task)
    assert {found.selection_preset, found.training_preset} <= {*config.partial_preset_names()}


def test_those_of_series_hold_nothing_that_series_ignore():
    run = load_config("run_ts")
    for choose in (requests.selection_partial, requests.training_partial):
        merged = config.merge(run, choose(run, None))
        assert unused(config.load(merged.to_json(), names=name_rules())) == []
        assert merged.dataset.data_augmentation.time_warp > 0
        assert choose(run, "last_training_debug") == "last_training_debug"
    images = load_config("run_cifar10")
    assert requests.training_partial(images, None) == "last_training_images"


@pytest.mark.parametrize("stated", [0, 0.2])
def test_what_a_run_states_beats_the_preset_that_nobody_chose(stated):
    run = load_config({"dataset": {**SERIES, "data_augmentation": {"time_warp": stated}}})
    run = load_config(run.to_json())  # as run.json holds it
    for choose in (requests.selection_partial, requests.training_partial):
        usual = requests.stage_config(run, choose(run, None))
        assert usual.dataset.data_augmentation.time_warp == stated
        assert usual.training_hyperparameters.label_smoothing == 0.1
        assert choose(run, choose(run, None)) == choose(run, None)
        chosen = requests.stage_config(run, choose(run, "last_training_ts"))
        assert chosen.dataset.data_augmentation.time_warp == 0.4
        assert [warning for warning in unused(usual) if "augmentation" in warning] == []


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (SERIES, "time_warp 0.4"),
        ({**SERIES, "data_augmentation": {"time_warp": 0}}, None),
        ({**SERIES, "data_augmentation": {"enabled": True, "time_warp": 0.4}}, None),
        ({"type": "image_classification", "name": "digits"}, "enabled true, flips true"),
        (
            {"type": "image_classification", "name": "digits", "data_augmentation": {"flips": False}},
            "enabled true",
        ),
    ],
)
def test_a_stage_says_what_it_does_to_examples_that_the_search_did_not(dataset, said):
    run = load_config({"dataset": dataset})
    heard = []
    later = requests.stage_config(run, requests.training_partial(run, None))
    requests.tell_of_augmentation(run, later, heard.append)
    told = (
        f"Training examples are augmented otherwise than in the search: {said} (of "
        "dataset.data_augmentation; a partial configuration of yours decides)."
    )
    assert heard == ([Told(told)] if said else [])


def test_the_published_image_search():
    loaded = load_config("run_cifar10")
    assert loaded.search_space.blocks == 5
    assert len(loaded.search_space.operators) == 12
    assert (loaded.search_strategy.max_children, loaded.search_strategy.max_exploration_children) == (128, 16)
    assert loaded.training_hyperparameters.epochs == 21
    architecture = loaded.architecture_hyperparameters
    assert (architecture.filters, architecture.motifs, architecture.normal_cells_per_motif) == (24, 3, 2)
    assert loaded.dataset.batch_size == 128
    assert loaded.dataset.data_augmentation.enabled


def test_presets_hold_no_keys_twice_and_are_plain_json():
    for name in ALL:
        text = config.preset_text(name)
        assert text is not None
        assert config.to_text(json.loads(text)).split() == text.split()
