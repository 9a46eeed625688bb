"""Configurations written for POPNAS v3.8 run as they are, or are answered with what to write instead.

The three published searches and the two partial ones stand here as values; the values of single fields are
in `test_v38_values.py`.
"""

import runpy
from pathlib import Path

import pytest

from popnas import config
from popnas.errors import ConfigError
from popnas.workflows.settings import load_config, unused

ADAMW = {"type": "adamW", "scheduler": "cdr: 3 period"}
RUN = {
    "search_space": {
        "blocks": 5,
        "lookback_depth": 2,
        "operators": [
            "identity", "3x3 dconv", "5x5 dconv", "7x7 dconv", "1x3-3x1 conv", "1x5-5x1 conv", "1x7-7x1 conv",
            "1x1 conv", "3x3 conv", "5x5 conv", "2x2 maxpool", "2x2 avgpool",
        ],
    },
    "search_strategy": {
        "max_children": 128,
        "max_exploration_children": 16,
        "score_metric": "accuracy",
        "additional_pareto_objectives": ["time"],
    },
    "training_hyperparameters": {
        "epochs": 21,
        "learning_rate": 0.01,
        "weight_decay": 5e-4,
        "drop_path": 0.0,
        "softmax_dropout": 0.0,
        "optimizer": ADAMW,
    },
    "architecture_hyperparameters": {
        "filters": 24,
        "motifs": 3,
        "normal_cells_per_motif": 2,
        "block_join_operator": "add",
        "lookback_reshape": False,
        "concat_only_unused_blocks": True,
        "residual_cells": True,
        "se_cell_output": False,
        "multi_output": False,
    },
    "dataset": {
        "type": "image_classification",
        "name": "cifar10",
        "path": None,
        "classes_count": 10,
        "batch_size": 128,
        "inference_batch_size": 16,
        "validation_size": 0.1,
        "cache": True,
        "folds": 1,
        "samples": None,
        "data_augmentation": {"enabled": True, "use_cutout": False},
    },
    "others": {
        "accuracy_predictor_ensemble_units": 5,
        "predictions_batch_size": 1024,
        "save_children_weights": False,
        "save_children_models": False,
        "pnas_mode": False,
        "train_strategy": "GPU",
        "enable_XLA_compilation": False,
        "use_mixed_precision": False,
    },
}  # fmt: skip


def changed(**sections):
    return {name: {**RUN[name], **sections.get(name, {})} for name in RUN}


RUN_TS = changed(
    search_space={
        "operators": [
            "7 dconv", "13 dconv", "21 dconv", "7 conv", "13 conv", "21 conv", "7:2dr conv", "7:4dr conv",
            "2 maxpool", "2 avgpool", "lstm", "gru", "identity",
        ]
    },
    training_hyperparameters={"weight_decay": 1e-3, "drop_path": 0.2},
    dataset={
        "type": "time_series_classification",
        "name": "custom-dataset",
        "path": "somewhere",
        "normalize": True,
        "rescale": False,
        "data_augmentation": {"enabled": False, "use_cutout": False},
    },
)  # fmt: skip
RUN_SEG = changed(
    search_space={
        "operators": [
            "identity", "1x7-7x1 conv", "1x9-9x1 conv", "3x3 conv", "3x3:3dr conv", "3x3:6dr conv",
            "5x5 conv", "5x5:2dr conv", "5x5:4dr conv", "2x2 maxpool", "2x2 avgpool", "8r SE",
        ]
    },
    search_strategy={"score_metric": "mean_iou"},
    training_hyperparameters={
        "epochs": 60,
        "learning_rate": 0.04,
        "optimizer": {
            "type": "radam: 0.01 alpha",
            "lookahead": {"sync_period": 6, "slow_step_size": 0.5},
        },
    },
    architecture_hyperparameters={"motifs": 4},
    dataset={
        "type": "image_segmentation",
        "name": "custom-dataset",
        "path": "somewhere",
        "classes_count": 21,
        "ignore_class": 255,
        "batch_size": 32,
        "val_test_batch_size": 16,
        "inference_batch_size": 1,
        "resize": {"width": 224, "height": 224},
        "data_augmentation": {"enabled": True, "use_cutout": False},
    },
)  # fmt: skip
PARTIAL = {
    "training_hyperparameters": {
        "epochs": 600,
        "drop_path": 0.4,
        "softmax_dropout": 0.0,
        "label_smoothing": 0.1,
        "optimizer": {"type": "adamW", "scheduler": "cd"},
    },
    "architecture_hyperparameters": {"multi_output": True},
    "dataset": {
        "folds": 1,
        "samples": None,
        "data_augmentation": {"enabled": True, "use_cutout": True},
    },
}


@pytest.mark.parametrize("document", [RUN, RUN_TS, RUN_SEG], ids=["run", "run_ts", "run_seg"])
def test_published_searches_are_taken_as_they_are(document):
    loaded = load_config(document)
    assert unused(loaded) == []
    found = loaded.to_json()
    for section, fields in document.items():
        for key, value in fields.items():
            if not isinstance(value, dict):
                assert found[section][key] == value, key


def test_published_partial_configurations_lie_over_a_run():
    merged = config.merge(load_config(RUN), PARTIAL)
    assert merged.training_hyperparameters.epochs == 600
    assert merged.training_hyperparameters.optimizer.scheduler == "cd"


@pytest.mark.parametrize(
    ("section", "fields", "answer"),
    [
        ("dataset", {"data_augmentation": {"enabled": True, "perform_on_gpu": True}}, "Remove it"),
        ("dataset", {"resize": {"enabled": True, "width": 32, "height": 32}}, "Remove it"),
        ("dataset", {"resize": {"enabled": False, "width": 32, "height": 32}}, "write null for"),
        ("others", {"save_children_as_onnx": True}, "Write save_children_models"),
        ("search_space", {"operators": ["8 SE", "identity"]}, "Write '8r SE'"),
    ],
)
def test_leftovers_are_answered_with_what_to_write(section, fields, answer):
    with pytest.raises(ConfigError) as caught:
        load_config(changed(**{section: fields}))
    (problem,) = caught.value.problems
    assert answer in problem.message


@pytest.mark.parametrize("section", ["cnn_hp", "architecture_parameters"])
def test_sections_of_old_versions_say_where_their_keys_went(section):
    with pytest.raises(ConfigError, match=r"Move 'filters' to architecture_hyperparameters.*'x' no longer"):
        load_config({**RUN, section: {"filters": 24, "x": 1}})


def test_labels_beyond_the_classes_must_be_ignored_ones_in_segmentation():
    remapped = {"classes_count": 2, "class_labels_remapping": {"1": 0, "2": 255}}
    load_config({**RUN_SEG, "dataset": {**RUN_SEG["dataset"], **remapped}})
    with pytest.raises(ConfigError, match=r"write 255 for dataset\.ignore_class"):
        load_config({**RUN_SEG, "dataset": {**RUN_SEG["dataset"], **remapped, "ignore_class": None}})


def test_run_py_reads_the_configuration_beside_it():
    root = Path(__file__).parents[3]
    arguments = runpy.run_path(str(root / "run.py"))["arguments"]
    assert arguments(["--name", "a"]) == ["search", "-j", str(root / "configs" / "run.json"), "--name", "a"]
    assert arguments(["-j", "mine.json"]) == ["search", "-j", "mine.json"]
    assert arguments(["-r", "logs/a"]) == ["search", "-r", "logs/a"]
