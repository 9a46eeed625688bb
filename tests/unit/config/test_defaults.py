"""Defaults are those of CONFIG_AND_OUTPUTS.md, and what depends on other fields is filled in."""

import pytest

from popnas.workflows.settings import load_config, unused

MINIMAL = {"dataset": {"type": "image_classification", "name": "digits"}}

DEFAULTS = {
    "search_space": {
        "blocks": 5,
        "lookback_depth": 2,
        "operators": [
            "identity",
            "3x3 dconv",
            "5x5 dconv",
            "7x7 dconv",
            "1x3-3x1 conv",
            "1x5-5x1 conv",
            "1x7-7x1 conv",
            "1x1 conv",
            "3x3 conv",
            "5x5 conv",
            "2x2 maxpool",
            "2x2 avgpool",
        ],
    },
    "search_strategy": {
        "max_children": 128,
        "max_exploration_children": 16,
        "score_share": 0.0,
        "rounds": 1,
        "random_children": 0,
        "single_block_repeats": 0,
        "growth_share": 1.0,
        "untrained_parents": 0,
        "repeats": 0,
        "score_metric": "accuracy",
        "additional_pareto_objectives": ["time"],
        "constraints": {},
    },
    "training_hyperparameters": {
        "epochs": 21,
        "learning_rate": 0.01,
        "weight_decay": 5e-4,
        "drop_path": 0.0,
        "softmax_dropout": 0.0,
        "ema_decay": None,
        "label_smoothing": 0.0,
        "optimizer": {"type": "adamW", "scheduler": "cdr: 3 period", "warmup": 0, "lookahead": None},
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
        "activation_function": "swish",
        "stem": None,
        "macro_architecture": None,
        "segmentation_decoder": "fixed",
    },
    "dataset": {
        "type": "image_classification",
        "name": "digits",
        "path": None,
        "classes_count": None,
        "ignore_class": None,
        "batch_size": 128,
        "val_test_batch_size": 128,
        "inference_batch_size": 1,
        "validation_size": 0.1,
        "cache": True,
        "folds": 1,
        "samples": None,
        "balance_class_losses": False,
        "class_labels_remapping": None,
        "data_augmentation": {
            "enabled": False,
            "use_cutout": False,
            "flips": True,
            "trivial_augment": False,
            "erasing": 0.0,
            "time_warp": None,
            "window_warp": 0.0,
            "crop": 0.0,
            "shift": 0.0,
            "scaling": 0.0,
            "jitter": 0.0,
            "mixup": 0.0,
            "cutmix": 0.0,
        },
        "resize": None,
        "rescale": False,
        "normalize": False,
    },
    "others": {
        "accuracy_predictor_ensemble_units": 5,
        "predictors": {"score": "gin", "time": "svr", "earlier_runs": []},
        "predictions_batch_size": 1024,
        "save_children_weights": False,
        "save_children_models": False,
        "pnas_mode": False,
        "train_strategy": "auto",
        "enable_XLA_compilation": False,
        "use_mixed_precision": False,
        "seed": 0,
        "timing": "measured",
        "executor": {"kind": "processes", "workers": None, "workers_per_gpu": None, "threads": 1},
        "evaluator": "training",
        "max_hours": None,
        "trackers": ["tensorboard"],
        "max_candidate_seconds": None,
        "selection_seeds": 1,
        "selection_budget": "epochs",
        "confirm": False,
    },
}


def test_every_default():
    assert load_config(MINIMAL).to_json() == DEFAULTS


def test_defaults_cause_no_warning():
    assert unused(load_config(MINIMAL)) == []


@pytest.mark.parametrize(
    ("task", "metric", "an_operator"),
    [
        ("image_classification", "accuracy", "3x3 dconv"),
        ("time_series_classification", "accuracy", "lstm"),
        ("image_segmentation", "mean_iou", "3x3:2dr dconv"),
    ],
)
def test_operators_and_score_metric_depend_on_the_task(task, metric, an_operator):
    loaded = load_config({"dataset": {"type": task, "path": "data"}})
    assert loaded.search_strategy.score_metric == metric
    assert an_operator in loaded.search_space.operators


def test_null_where_a_default_depends_on_something_means_that_default():
    document = {
        "search_space": {"operators": None},
        "search_strategy": {"score_metric": None},
        "architecture_hyperparameters": {"activation_function": None},
        "dataset": {
            **MINIMAL["dataset"],
            "batch_size": 32,
            "val_test_batch_size": None,
            "inference_batch_size": None,
            "data_augmentation": None,
        },
        "others": {"executor": None},
    }
    loaded = load_config(document)
    assert loaded == load_config({"dataset": {**MINIMAL["dataset"], "batch_size": 32}})
    assert loaded.dataset.val_test_batch_size == 32


def test_null_has_its_own_meaning_elsewhere():
    loaded = load_config(
        {
            **MINIMAL,
            "training_hyperparameters": {"weight_decay": None, "optimizer": {"scheduler": None}},
        }
    )
    assert loaded.training_hyperparameters.weight_decay is None
    assert loaded.training_hyperparameters.optimizer.scheduler_spec.kind == "constant"


def test_radam_without_a_schedule_gets_none():
    loaded = load_config({**MINIMAL, "training_hyperparameters": {"optimizer": {"type": "radam: 0.1 alpha"}}})
    assert loaded.training_hyperparameters.optimizer.scheduler is None
    assert loaded.training_hyperparameters.optimizer.optimizer_spec.alpha == 0.1


def test_pnas_mode_has_no_other_objectives_and_does_not_explore():
    loaded = load_config({**MINIMAL, "others": {"pnas_mode": True}})
    assert loaded.search_strategy.additional_pareto_objectives == ()
    assert loaded.search_strategy.max_exploration_children == 0
    assert unused(loaded) == []


def test_a_configuration_cannot_be_changed():
    loaded = load_config(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        loaded.dataset.batch_size = 3


def test_loading_does_not_change_the_mapping():
    document = {"dataset": dict(MINIMAL["dataset"]), "$schema": "popnas.schema.json"}
    load_config(document, sets=["dataset.batch_size=4"])
    assert document == {"dataset": MINIMAL["dataset"], "$schema": "popnas.schema.json"}
