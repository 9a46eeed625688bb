"""Every value that a field could hold in POPNAS 3.0 to 3.8, through migration and the configuration check.

Each is taken as it is, rewritten with a note, or, where it can do nothing good, answered with what to write.
"""

from __future__ import annotations

import copy

import pytest

from popnas import config
from popnas.config import leftovers
from popnas.errors import ConfigError
from popnas.workflows.settings import load_config

from .test_v38 import RUN, RUN_SEG, RUN_TS

ACTIVATIONS = (
    "elu", "exponential", "gelu", "hard_sigmoid", "linear", "relu", "selu", "sigmoid", "softmax", "softplus",
    "softsign", "swish", "silu", "tanh", "relu6", "leaky_relu", "mish", None,
)  # fmt: skip
OPTIMIZERS = ("adamW", "adam", "SGDW", "SGDW: 0.9 momentum", "SGD", "SGD: 0.9 momentum", "radam: 0.01 alpha")
SCHEDULES = (
    None,
    "cdr",
    "cdr: 3 period",
    "cdr: 3 period, 2.0 t_mul, 0.9 m_mul, 0.1 alpha",
    "cd",
    "cd: 0.1 alpha",
)
OPTIMIZER = "training_hyperparameters.optimizer"
LOOKAHEAD = {"sync_period": 6, "slow_step_size": 0.5}

FLAGS = {
    "architecture_hyperparameters": (
        "lookback_reshape", "concat_only_unused_blocks", "residual_cells", "se_cell_output", "multi_output",
    ),
    "dataset": ("cache", "balance_class_losses", "data_augmentation.enabled", "data_augmentation.use_cutout"),
    "others": (
        "save_children_weights", "save_children_models", "pnas_mode", "enable_XLA_compilation",
        "use_mixed_precision",
    ),
}  # fmt: skip
IMAGES = {
    "search_space.blocks": (1, 2, 12),
    "search_space.lookback_depth": (1, 2, 4),
    "search_space.operators": (["identity", "3x3 conv"], ["8r SE", "2x2 avgpool"]),
    "search_strategy.max_children": (1, 1000),
    "search_strategy.max_exploration_children": (0, 1000),
    "search_strategy.score_metric": ("accuracy", "f1_score"),
    "search_strategy.additional_pareto_objectives": (
        ["time"], ["params"], ["inference_time"], ["time", "params", "inference_time"],
    ),
    "training_hyperparameters.epochs": (1, 600),
    "training_hyperparameters.learning_rate": (1e-8, 0.01, 1),
    "training_hyperparameters.weight_decay": (0, 5e-4, 1),
    "training_hyperparameters.drop_path": (0, 0.4, 1),
    "training_hyperparameters.softmax_dropout": (0, 0.5),
    "training_hyperparameters.label_smoothing": (0, 0.1),
    "training_hyperparameters.optimizer": tuple({"type": kind} for kind in OPTIMIZERS),
    "training_hyperparameters.optimizer.type": OPTIMIZERS[:6],
    "training_hyperparameters.optimizer.scheduler": SCHEDULES,
    "training_hyperparameters.optimizer.warmup": (0, 5, None),
    "training_hyperparameters.optimizer.lookahead": (LOOKAHEAD, None),
    "training_hyperparameters.optimizer.lookahead.sync_period": (1, 6),
    "architecture_hyperparameters.filters": (1, 24),
    "architecture_hyperparameters.normal_cells_per_motif": (1, 18),
    "architecture_hyperparameters.motifs": (2, 3),
    "architecture_hyperparameters.block_join_operator": ("add", "avg"),
    "architecture_hyperparameters.activation_function": ACTIVATIONS,
    "dataset.name": ("cifar10",),
    "dataset.path": (None, "a/folder"),
    "dataset.classes_count": (2, 10),
    "dataset.ignore_class": (None, 3),
    "dataset.batch_size": (2, 128),
    "dataset.val_test_batch_size": (1, 16),
    "dataset.inference_batch_size": (1, 16),
    "dataset.validation_size": (0.1, 0.5, None),
    "dataset.folds": (1, 5),
    "dataset.samples": (None, 5000),
    "dataset.class_labels_remapping": (None, {"1": 0, "2": 1}),
    "dataset.resize": (None, {"width": 16, "height": 16}),
    "dataset.data_augmentation": ({"enabled": True}, {"enabled": False, "use_cutout": True}),
    "others.accuracy_predictor_ensemble_units": (1, 5),
    "others.predictions_batch_size": (32, 1024),
    "others.train_strategy": ("CPU", "GPU", "TPU", "multi-GPU"),
}  # fmt: skip
SERIES = {
    "dataset.type": ("time_series_classification",),
    "dataset.name": ("custom-dataset", "anything"),
    "search_strategy.score_metric": ("accuracy", "f1_score"),
    "dataset.rescale": (True, False),
    "dataset.normalize": (True, False),
    "dataset.classes_count": (2, 10),
    "dataset.class_labels_remapping": (None, {"1": 0, "2": 255}),
}
SEGMENTATION = {
    "dataset.type": ("image_segmentation",),
    "search_strategy.score_metric": ("accuracy", "mean_iou"),
    "dataset.ignore_class": (None, 0, 255),
    "dataset.class_labels_remapping": (None, {"1": 0, "2": 255}),
    "dataset.resize": (None, {"width": 16, "height": 300}),
    "training_hyperparameters.label_smoothing": (0, 0.1),
}
AS_IT_IS = [
    *((RUN, place, value) for place, values in IMAGES.items() for value in values),
    *((RUN_TS, place, value) for place, values in SERIES.items() for value in values),
    *((RUN_SEG, place, value) for place, values in SEGMENTATION.items() for value in values),
    *(
        (RUN, f"{section}.{key}", value)
        for section in FLAGS
        for key in FLAGS[section]
        for value in (True, False)
    ),
]
OPTIONAL = (
    "dataset.ignore_class", "dataset.val_test_batch_size", "dataset.inference_batch_size", "dataset.resize",
    "dataset.class_labels_remapping", "dataset.data_augmentation.use_cutout", "dataset.rescale",
    "dataset.normalize", "training_hyperparameters.label_smoothing",
    "training_hyperparameters.optimizer.scheduler", "training_hyperparameters.optimizer.warmup",
    "training_hyperparameters.optimizer.lookahead", "architecture_hyperparameters.activation_function",
    "others.enable_XLA_compilation", "others.use_mixed_precision",
)  # fmt: skip

SIZE = {"width": 32, "height": 48}
REWRITTEN = {
    ("dataset.resize.enabled", True): ("dataset.resize.enabled: removed", ("dataset.resize", SIZE)),
    ("dataset.resize.enabled", False): ("dataset.resize: null", ("dataset.resize", None)),
    ("dataset.data_augmentation.perform_on_gpu", True): ("perform_on_gpu: removed", None),
    ("dataset.data_augmentation.perform_on_gpu", False): ("perform_on_gpu: removed", None),
    ("others.save_children_as_onnx", True): (
        "others.save_children_as_onnx: is called others.save_children_models now",
        ("others.save_children_models", True),
    ),
    ("others.save_children_as_onnx", False): (
        "others.save_children_as_onnx: is called others.save_children_models now",
        ("others.save_children_models", False),
    ),
    ("search_space.operators", ("identity", "8 SE")): (
        "search_space.operators[1]: '8 SE' is written '8r SE' now",
        ("search_space.operators", ["identity", "8r SE"]),
    ),
}
"""A leftover and its value: what the note says, and what stands where afterwards."""

ANSWERED = [
    (RUN, "search_space.blocks", 1000, "published searches use 5"),
    (RUN, "search_space.lookback_depth", 1000, "published searches use 2"),
    (RUN, "search_strategy.max_children", 10**6, "at most 10,000"),
    (RUN, "search_strategy.max_exploration_children", 10**6, "at most 10,000"),
    (RUN, "search_strategy.score_metric", "mean_iou", "Choose one of: accuracy, f1_score"),
    (RUN_SEG, "search_strategy.score_metric", "f1_score", "Choose one of: mean_iou, accuracy"),
    (RUN, "search_strategy.additional_pareto_objectives", [], "set others.pnas_mode to true"),
    (RUN, "search_strategy.additional_pareto_objectives", ["time", "time"], "remove one"),
    (RUN, "training_hyperparameters.epochs", 10**6, "a few thousand at most"),
    (RUN, "training_hyperparameters.learning_rate", 0, "0.01 is a good start"),
    (RUN, "training_hyperparameters.learning_rate", 100, "0.01 is a good start"),
    (RUN, "training_hyperparameters.weight_decay", 2, "5e-4 is usual"),
    (RUN, "training_hyperparameters.softmax_dropout", 1, "nothing can be learnt; 0.5"),
    (RUN, "training_hyperparameters.label_smoothing", 1.0, "nothing can be learnt; 0.1"),
    (RUN, "training_hyperparameters.optimizer.type", "nadam", "The forms are: adamW | adam | SGDW"),
    (RUN, OPTIMIZER, {"type": "radam", "scheduler": "cd"}, "write null"),
    (RUN, "training_hyperparameters.optimizer.scheduler", "step", "The forms are: cdr: P period"),
    (RUN, "training_hyperparameters.optimizer.warmup", 21, "below the number of epochs (21)"),
    (RUN, f"{OPTIMIZER}.lookahead", {**LOOKAHEAD, "sync_period": 0}, "to do without"),
    (RUN, f"{OPTIMIZER}.lookahead", {**LOOKAHEAD, "slow_step_size": 1}, "to do without"),
    (RUN, f"{OPTIMIZER}.lookahead", {**LOOKAHEAD, "slow_step_size": 0}, "to do without"),
    (RUN, "architecture_hyperparameters.filters", 10**5, "published networks take 24"),
    (RUN, "architecture_hyperparameters.motifs", 40, "published networks have 3"),
    (RUN, "architecture_hyperparameters.normal_cells_per_motif", 40, "published networks have 18"),
    *((RUN, "dataset.classes_count", number, "null counts them") for number in (-1, 0, 1, 10**6)),
    *((RUN_SEG, "dataset.ignore_class", label, "write null") for label in (-1, 10**6)),
    *((RUN, "dataset.validation_size", size, "null takes the validation split") for size in (0, 1, 1.5, -1)),
    (RUN_SEG, "dataset.class_labels_remapping", {"1": -1}, "which dataset.ignore_class names"),
    (RUN_SEG, "dataset.class_labels_remapping", {"1": 99}, "write 99 for dataset.ignore_class"),
    (RUN, "dataset.resize", {"width": 10**5, "height": 16}, "takes 800 MB"),
    (RUN, "others.accuracy_predictor_ensemble_units", 10**4, "5 is usual"),
    (RUN, "others.predictions_batch_size", 10**9, "a few million cells at most"),
]  # fmt: skip


def with_value(document, place, value):
    """A copy of a configuration with another value at a place, for which objects are made."""
    changed = copy.deepcopy(document)
    *sections, key = place.split(".")
    node = changed
    for section in sections:
        if node.get(section) is None:
            node[section] = {**LOOKAHEAD} if section == "lookahead" else {}
        node = node[section]
    node[key] = value
    return changed


def found_at(document, place):
    for step in place.split("."):
        document = document[step]
    return document


@pytest.mark.parametrize(("document", "place", "value"), AS_IT_IS)
def test_is_taken_as_it_is(document, place, value):
    given = with_value(document, place, value)
    migration = config.migrated(given)
    assert migration.notes == ()
    assert migration.document == given
    found = found_at(load_config(migration.document).to_json(), place)
    assert value is None or _says(found, value)


def _says(found, value):
    if isinstance(value, dict):
        return all(_says(found[key], each) for key, each in value.items())
    return found == value


@pytest.mark.parametrize("place", OPTIONAL)
def test_may_be_left_out(place):
    for document in (RUN, RUN_TS, RUN_SEG):
        given = copy.deepcopy(document)
        *sections, key = place.split(".")
        found_at(given, ".".join(sections)).pop(key, None)
        migration = config.migrated(given)
        assert migration.notes == ()
        load_config(migration.document)


@pytest.mark.parametrize(("leftover", "value"), REWRITTEN)
def test_leftovers_are_rewritten_with_a_note_and_check_then(leftover, value):
    said, now = REWRITTEN[leftover, value]
    value = list(value) if isinstance(value, tuple) else value
    given = with_value(with_value(RUN, "dataset.resize", dict(SIZE)), leftover, value)
    del given["others"]["save_children_models"]
    if "resize" not in leftover:
        given["dataset"]["resize"] = None
    with pytest.raises(ConfigError):
        load_config(given)
    migration = config.migrated(given)
    (note,) = migration.notes
    assert said in note
    load_config(migration.document)
    assert now is None or found_at(migration.document, now[0]) == now[1]


@pytest.mark.parametrize("section", leftovers.SECTIONS)
def test_every_field_of_an_old_section_finds_its_place_or_is_told(section):
    """Whichever fields they held: all that train or shape networks go where they stand today."""
    homes = ("training_hyperparameters", "architecture_hyperparameters")
    old = {key: value for home in homes for key, value in RUN[home].items()}
    rest = {name: fields for name, fields in RUN.items() if name not in homes}
    migration = config.migrated({**rest, section: {**old, "unheard_of": 1}})
    assert len(migration.notes) == len(old) + 2
    assert any(note.startswith(f"{section}.unheard_of: removed") for note in migration.notes)
    assert load_config(migration.document) == load_config(RUN)


@pytest.mark.parametrize(("document", "place", "value", "answer"), ANSWERED)
def test_what_can_do_nothing_good_is_left_and_answered(document, place, value, answer):
    given = with_value(document, place, value)
    migration = config.migrated(given)
    assert migration.notes == (), "nothing is guessed"
    with pytest.raises(ConfigError) as caught:
        load_config(migration.document)
    # A mistake has the check look at the folders, too, and there is none.
    (problem,) = [each for each in caught.value.problems if each.place != "dataset.path"]
    assert problem.place.startswith(place)
    assert answer in problem.message


def test_no_field_and_no_leftover_is_forgotten():
    """All that the published files hold, and all that the check knows of older versions."""
    tried = {place for _, place, _ in AS_IT_IS}
    published = {place for document in (RUN, RUN_TS, RUN_SEG) for place in _leaves(document)}
    assert {place for place in published if not any(place.startswith(f"{t}.") for t in tried)} <= tried
    assert set(OPTIONAL) <= tried
    rewritten = {tuple(place.split(".")) for place, _ in REWRITTEN}
    assert set(leftovers._SETTINGS) | {("dataset", "resize", "enabled")} <= rewritten


def _leaves(node, place=""):
    if not isinstance(node, dict):
        return {place}
    return {leaf for key in node for leaf in _leaves(node[key], f"{place}.{key}".lstrip("."))}
