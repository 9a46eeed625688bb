"""Rules between fields: each refuses what it should; settings without effect are warned about."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from popnas import config, tasks
from popnas.config import NameRules, messages
from popnas.errors import ConfigError
from popnas.workflows.settings import load_config, name_rules, unused

IMAGES = {"type": "image_classification", "name": "digits"}
SERIES = {"type": "time_series_classification", "name": "ItalyPowerDemand"}
SEGMENTATION = {"type": "image_segmentation", "path": "masks"}
UNTIL_ENABLED = (
    "does nothing until data_augmentation.enabled is true, which the usual presets of model selection and "
    "final training make it."
)

RADAM = {"type": "radam: 0 alpha"}


def document(dataset=IMAGES, **sections):
    return {"dataset": dataset, **sections}


REGISTERED = name_rules()


def problems(content, names=REGISTERED):
    with pytest.raises(ConfigError) as caught:
        config.load(content, names=names)
    return {problem.place: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (
            document(search_strategy={"additional_pareto_objectives": []}),
            "search_strategy.additional_pareto_objectives",
            "needs at least one objective beside the score (time, inference_time, params, flops); to "
            "search by "
            "score alone, set others.pnas_mode to true.",
        ),
        (
            document(search_strategy={"single_block_repeats": 1}),
            "search_strategy.single_block_repeats",
            "must be 0 or at least 2, got 1: an operator in one cell alone is not told from its other half.",
        ),
        (
            document(search_strategy={"additional_pareto_objectives": ["params", "tim"]}),
            "search_strategy.additional_pareto_objectives[1]",
            "no objective is named 'tim'. Did you mean 'time'? Choose one of: time, inference_time, "
            "params, flops.",
        ),
        (
            document(search_strategy={"additional_pareto_objectives": ["score"]}),
            "search_strategy.additional_pareto_objectives[0]",
            "the score is always an objective; remove it here.",
        ),
        (
            document(search_strategy={"additional_pareto_objectives": ["time", "time"]}),
            "search_strategy.additional_pareto_objectives[1]",
            "'time' stands already at search_strategy.additional_pareto_objectives[0]; remove one.",
        ),
        (
            document(search_strategy={"constraints": {"parms": [0, 1]}}),
            "search_strategy.constraints.parms",
            "no objective is named 'parms'. Did you mean 'params'? Choose one of: time, inference_time, "
            "params, "
            "flops.",
        ),
        (
            document(search_strategy={"constraints": {"accuracy": [0.9, 1]}}),
            "search_strategy.constraints.accuracy",
            "a metric cannot be constrained, only what a network costs: time, inference_time, params, flops.",
        ),
        (
            document(search_strategy={"constraints": {"params": [2e6, 1e5]}}),
            "search_strategy.constraints.params",
            "the range is reversed: write [100000, 2e+06].",
        ),
        (
            document(search_strategy={"constraints": {"flops": [-5, 0]}}),
            "search_strategy.constraints.flops",
            "no network can have at most 0; the upper end must be above 0.",
        ),
        (
            document(search_strategy={"constraints": {"time": [0, 5]}}, others={"pnas_mode": True}),
            "search_strategy.constraints.time",
            "PNAS mode predicts no times; constrain params or flops, or leave PNAS mode.",
        ),
        (
            document(search_strategy={"score_metric": "mean_iou"}),
            "search_strategy.score_metric",
            "'mean_iou' is not measured in image_classification. Choose one of: accuracy, f1_score.",
        ),
        (
            document(SEGMENTATION, search_strategy={"score_metric": "f1_score"}),
            "search_strategy.score_metric",
            "'f1_score' is not measured in image_segmentation. Choose one of: mean_iou, accuracy.",
        ),
        (
            document(training_hyperparameters={"optimizer": {**RADAM, "scheduler": "cdr: 3 period"}}),
            "training_hyperparameters.optimizer.scheduler",
            "'radam: 0 alpha' brings its own schedule; write null, got 'cdr: 3 period'.",
        ),
        (
            document(training_hyperparameters={"optimizer": {**RADAM, "warmup": 2}}),
            "training_hyperparameters.optimizer.warmup",
            "'radam: 0 alpha' brings its own warm-up; write 0, got 2.",
        ),
        (
            document(training_hyperparameters={"epochs": 3, "optimizer": {"warmup": 3}}),
            "training_hyperparameters.optimizer.warmup",
            "must be below the number of epochs (3), got 3. Set it to at most 2, or "
            "training_hyperparameters.epochs to at least 4.",
        ),
        (
            document({**IMAGES, "folds": 5, "validation_size": None}),
            "dataset.validation_size",
            "5 folds are drawn from training data: give the validating share, e.g. 0.1, or write 1 for "
            "dataset.folds.",
        ),
        (
            document({**SEGMENTATION, "classes_count": 2, "class_labels_remapping": {"1": 0, "2": 255}}),
            "dataset.class_labels_remapping.2",
            "255 is neither one of the 2 classes of dataset.classes_count (0 to 1) nor dataset.ignore_class. "
            "If these pixels shall not count, write 255 for dataset.ignore_class; if they are a class, write "
            "a label below 2, or null for dataset.classes_count.",
        ),
        (
            document(search_space={"operators": ["identity", "3x3 conv", "identity"]}),
            "search_space.operators[2]",
            "'identity' stands already at search_space.operators[0]; remove one.",
        ),
    ],
)
def test_mistakes(content, place, message):
    assert problems(content) == {place: message}


NAMES = NameRules(
    check_operator=lambda name, num_dims: None if f"{num_dims}d" in name else f"not for {num_dims}d.",
    tasks=["image_classification", "time_series_classification"],
    executors=["inline", "processes"],
    check_dataset=lambda name, task: None if name == "digits" else f"no data set is named '{name}'.",
    datasets=["digits"],
    predictors={"score": ["gin", "own"], "time": ["svr"]},
    get_task=tasks.get,
)


def test_names_are_checked_with_all_the_rest():
    content = {
        "search_space": {"operators": ["2d a", "1d b", 5], "blocks": 0},
        "dataset": {"type": "image_classification", "name": "digitz"},
        "others": {"executor": {"kind": "processs"}, "predictors": {"score": "gni", "time": "gin"}},
    }
    assert problems(content, NAMES) == {
        "search_space.blocks": "must be a whole number, at least 1 and at most 32, got 0.",
        "search_space.operators[1]": "not for 2d.",
        "search_space.operators[2]": "must be a text that is not empty, got 5. Write it in double "
        'quotes: "5".',
        "dataset.name": "no data set is named 'digitz'.",
        "others.executor.kind": "no executor is named 'processs'. Did you mean 'processes'? Choose one "
        "of: inline, processes.",
        "others.predictors.score": "no predictor of the score is named 'gni'. Did you mean 'gin'? Choose one "
        "of: gin, own.",
        "others.predictors.time": "no predictor of the time is named 'gin'. Choose one of: svr.",
    }


def test_an_unknown_task_is_named_once():
    content = {
        "search_space": {"operators": ["2d a"]},
        "dataset": {"type": "image_clasification", "name": "x"},
    }
    assert problems(content, NAMES) == {
        "dataset.type": "no task is named 'image_clasification'. Did you mean 'image_classification'? "
        "Choose one of: image_classification, time_series_classification.",
    }


def test_a_name_of_a_data_set_with_a_path_is_only_a_label():
    content = {
        "search_space": {"operators": ["2d a"]},
        "dataset": {**IMAGES, "name": "mine", "path": "folder"},
    }
    assert config.load(content, names=NAMES).dataset.name == "mine"


class Sorting:
    """A task that a plug-in brings."""

    num_dims = 1
    is_per_pixel = False
    score_metrics = ("f1_score",)
    default_operators: ClassVar[Sequence[str]] = ("1d x",)
    unused_settings: ClassVar[Mapping[str, str]] = {
        "training_hyperparameters.optimizer.warmup": "is for others."
    }


class Bare(Sorting):
    default_operators = ()


SORTING = NameRules(
    check_operator=NAMES.check_operator,
    tasks=["sorting", "bare"],
    executors=["processes"],
    get_task={"sorting": Sorting(), "bare": Bare()}.get,
)


def test_a_task_without_a_preset_needs_operators():
    assert problems({"dataset": {"type": "bare", "path": "p"}}, SORTING) == {
        "search_space.operators": "must be given: the task 'bare' has no preset to take them from."
    }


def test_a_task_says_which_settings_it_does_not_use():
    changed = {
        "dataset": {"type": "sorting", "path": "p"},
        "training_hyperparameters": {"optimizer": {"warmup": 2}},
    }
    loaded = config.load(changed, names=SORTING)
    assert config.warnings(loaded, SORTING) == ["training_hyperparameters.optimizer.warmup: is for others."]
    assert (
        config.warnings(
            config.load(changed, sets=["training_hyperparameters.optimizer.warmup=0"], names=SORTING), SORTING
        )
        == []
    )


@pytest.mark.parametrize("name", tasks.REGISTRY.names())
def test_settings_that_a_task_does_not_use_exist(name):
    for place in tasks.get(name).unused_settings:
        assert messages.exists(tuple(place.split("."))), place


def test_a_task_of_a_plug_in_brings_its_own_defaults():
    names = SORTING
    loaded = config.load({"dataset": {"type": "sorting", "path": "p"}}, names=names)
    assert loaded.search_space.operators == ("1d x",)
    assert loaded.search_strategy.score_metric == "f1_score"
    assert config.load(loaded.to_json()) == loaded
    assert "score_metric" in str(
        problems(
            {"dataset": {"type": "sorting", "path": "p"}, "search_strategy": {"score_metric": "accuracy"}},
            names,
        )
    )


@pytest.mark.parametrize(
    ("content", "warnings"),
    [
        (
            document(
                search_space={"blocks": 2},
                search_strategy={"growth_share": 0.5, "untrained_parents": 9},
            ),
            [
                "search_strategy.growth_share: has no effect with search_space.blocks 2: no step lies "
                "between the first and the last.",
                "search_strategy.untrained_parents: has no effect with search_space.blocks 2 and "
                "search_strategy.single_block_repeats 0: step 1 trains all that step 2 grows.",
            ],
        ),
        (
            document(
                search_space={"blocks": 2},
                search_strategy={"single_block_repeats": 2, "untrained_parents": 9},
            ),
            [],
        ),
        (
            document({**IMAGES, "rescale": True, "normalize": True}),
            [
                "dataset.rescale: has no effect on images (they are scaled to 0..1); it is for series.",
                "dataset.normalize: has no effect on images (they are scaled to 0..1); it is for series.",
            ],
        ),
        (
            document({**SERIES, "rescale": True, "normalize": True}),
            ["dataset.rescale: has no effect beside dataset.normalize, which undoes it."],
        ),
        (document({**SERIES, "normalize": True}), []),
        (
            document({**SERIES, "data_augmentation": {"enabled": True}, "resize": {"width": 4, "height": 4}}),
            [
                "dataset.resize: has no effect on series; it is for images.",
                "dataset.data_augmentation.enabled: has no effect on series by itself: say what is to be "
                "done (time_warp, window_warp, crop, shift, scaling, jitter, mixup, cutmix).",
            ],
        ),
        (document({**SERIES, "data_augmentation": {"enabled": True, "time_warp": 0.4}}), []),
        (document({**SERIES, "data_augmentation": {"enabled": True, "cutmix": 1.0}}), []),
        (
            document({**SERIES, "data_augmentation": {"time_warp": 0.4, "mixup": 0.2}}),
            [f"dataset.data_augmentation.{name}: {UNTIL_ENABLED}" for name in ("time_warp", "mixup")],
        ),
        (document({**SERIES, "data_augmentation": {"time_warp": 0}}), []),
        (document({**SERIES, "data_augmentation": {"enabled": True, "time_warp": 0}}), []),
        (document({**IMAGES, "data_augmentation": {"flips": False}}), []),
        (
            document({**SERIES, "data_augmentation": {"enabled": True, "erasing": 0.5, "jitter": 0.1}}),
            ["dataset.data_augmentation.erasing: has no effect on series; it is for images."],
        ),
        (
            document({**IMAGES, "data_augmentation": {"enabled": True, "jitter": 0.1, "flips": False}}),
            ["dataset.data_augmentation.jitter: has no effect on images; it is for series."],
        ),
        (
            document({**IMAGES, "data_augmentation": {"use_cutout": True}}),
            [f"dataset.data_augmentation.use_cutout: {UNTIL_ENABLED}"],
        ),
        (
            document(
                {**IMAGES, "ignore_class": 3}, architecture_hyperparameters={"segmentation_decoder": "cells"}
            ),
            [
                "architecture_hyperparameters.segmentation_decoder: has an effect in segmentation only.",
                "dataset.ignore_class: has an effect in segmentation only: examples with this label are a "
                "class like any other.",
            ],
        ),
        (
            document(SEGMENTATION, training_hyperparameters={"label_smoothing": 0.1}),
            ["training_hyperparameters.label_smoothing: is ignored in segmentation."],
        ),
        (
            document({**SEGMENTATION, "data_augmentation": {"enabled": True, "use_cutout": True}}),
            [
                "dataset.data_augmentation.use_cutout: has no effect in segmentation; erasing does much the "
                "same."
            ],
        ),
        (document(training_hyperparameters={"label_smoothing": 0.1}), []),
        (
            document(
                others={"pnas_mode": True},
                search_strategy={"additional_pareto_objectives": ["time"], "max_exploration_children": 2},
            ),
            [
                "search_strategy.additional_pareto_objectives: is ignored in PNAS mode, which searches by "
                "score "
                "alone.",
                "search_strategy.max_exploration_children: is ignored in PNAS mode, which does not explore.",
            ],
        ),
        (
            document(
                search_space={"lookback_depth": 1}, architecture_hyperparameters={"lookback_reshape": True}
            ),
            [
                "architecture_hyperparameters.lookback_reshape: has no effect with "
                "search_space.lookback_depth 1: "
                "no lookback is larger than the output."
            ],
        ),
        (
            document(others={"executor": {"kind": "inline", "workers": 4}}),
            [
                "others.executor.workers: has no effect: the executor 'inline' evaluates one at a time; "
                "choose "
                "'processes'."
            ],
        ),
        (
            document(others={"executor": {"kind": "inline", "workers_per_gpu": 2}}),
            [
                "others.executor.workers_per_gpu: has no effect: the executor 'inline' evaluates one "
                "at a time; choose 'processes'."
            ],
        ),
        (
            document(others={"executor": {"workers_per_gpu": 2}, "train_strategy": "CPU"}),
            ["others.executor.workers_per_gpu: has no effect: others.train_strategy 'CPU' takes no GPU."],
        ),
        (
            document(others={"executor": {"workers": 3, "workers_per_gpu": 2}}),
            [
                "others.executor.workers_per_gpu: has no effect: the 3 workers of others.executor.workers "
                "take the GPUs in turn."
            ],
        ),
        (document(others={"executor": {"workers_per_gpu": 2}}), []),
        (document(others={"executor": {"kind": "ray", "workers": 3, "workers_per_gpu": 2}}), []),
        (
            document(others={"enable_XLA_compilation": True, "train_strategy": "CPU"}),
            [
                "others.enable_XLA_compilation: has no effect on a CPU: a compiled network trains slower "
                "there, and compiling takes most of a minute."
            ],
        ),
    ],
)
def test_warnings(content, warnings):
    loaded = load_config(content)
    assert unused(loaded) == warnings
    assert unused(load_config(loaded.to_json())) == warnings
