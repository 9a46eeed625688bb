"""A partial configuration over a run's own."""

import pytest

from popnas import config
from popnas.errors import ConfigError
from popnas.workflows.settings import load_config

BASE = load_config(
    {
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "class_labels_remapping": {"1": 0, "2": 1},
        },
        "training_hyperparameters": {"epochs": 3, "optimizer": {"scheduler": "cd", "warmup": 1}},
        "search_strategy": {"constraints": {"params": [0, 1000]}},
    }
)


def test_fields_that_are_given_replace_those_of_the_run():
    merged = config.merge(BASE, {"training_hyperparameters": {"epochs": 50, "weight_decay": None}})
    assert merged.training_hyperparameters.epochs == 50
    assert merged.training_hyperparameters.weight_decay is None
    assert merged.training_hyperparameters.optimizer == BASE.training_hyperparameters.optimizer
    assert merged.dataset == BASE.dataset


def test_nothing_changes_nothing():
    assert config.merge(BASE, {}) == BASE


def test_maps_are_replaced_whole():
    merged = config.merge(
        BASE,
        {
            "search_strategy": {"constraints": {"flops": [0, 5]}},
            "dataset": {"class_labels_remapping": {"7": 0}},
        },
    )
    assert merged.search_strategy.constraints == {"flops": (0.0, 5.0)}
    assert merged.dataset.class_labels_remapping == {"7": 0}


def test_an_optimizers_type_brings_its_own_schedule():
    merged = config.merge(BASE, {"training_hyperparameters": {"optimizer": {"type": "radam"}}})
    assert merged.training_hyperparameters.optimizer.scheduler is None
    assert merged.training_hyperparameters.optimizer.warmup == 0
    kept = config.merge(BASE, {"training_hyperparameters": {"optimizer": {"warmup": 2}}})
    assert kept.training_hyperparameters.optimizer.scheduler == "cd"


def test_set_changes_the_partial():
    merged = config.merge(BASE, {}, sets=["training_hyperparameters.epochs=7"])
    assert merged.training_hyperparameters.epochs == 7


def test_mistakes_of_the_partial_come_at_once():
    with pytest.raises(ConfigError) as caught:
        config.merge(
            BASE, {"training_hyperparameters": {"epochs": 1, "optimizer": {"warmup": 5}}, "datset": {}}
        )
    assert [problem.place for problem in caught.value.problems] == [
        "datset",
        "training_hyperparameters.optimizer.warmup",
    ]


def test_only_partial_presets_are_named():
    with pytest.raises(
        ConfigError, match="The presets are: last_training, last_training_debug, last_training_images, "
    ):
        config.merge(BASE, "run")
