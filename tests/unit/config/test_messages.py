"""What a user reads: exact texts, all mistakes at once, with place, line and origin."""

import pytest

from popnas import config
from popnas.errors import ConfigError
from popnas.workflows.settings import name_rules

DATA = {"type": "image_classification", "name": "digits"}


def problems(document, **arguments):
    with pytest.raises(ConfigError) as caught:
        config.load(document, **arguments)
    return [str(problem) for problem in caught.value.problems]


def with_field(place, value):
    document = {"dataset": dict(DATA)}
    *sections, key = place.split(".")
    node = document
    for section in sections:
        node = node.setdefault(section, {})
    node[key] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("search_space.blocks", 0, "must be a whole number, at least 1 and at most 32, got 0."),
        ("search_space.blocks", True, "must be a whole number, at least 1 and at most 32, got true."),
        ("search_space.blocks", 2.0, "must be a whole number, at least 1 and at most 32, got 2.0."),
        ("search_space.blocks", "5",
         "must be a whole number, at least 1 and at most 32, got '5'. Write 5 without quotes."),
        ("search_space.blocks", None, "must be a whole number, at least 1 and at most 32, got null."),
        ("search_space.blocks", [5], "must be a whole number, at least 1 and at most 32, got the list [5]."),
        ("search_space.operators", "3x3 conv", "must be a list of texts with at least one entry or null, "
         "got '3x3 conv'."),
        ("training_hyperparameters.learning_rate", 0,
         "must be a number, at least 1e-08 and at most 10, got 0: below, weights of 32 bits "
         "do not move; above, no training converges; 0.01 is a good start."),
        ("training_hyperparameters.learning_rate", -1.5,
         "must be a number, at least 1e-08 and at most 10, got -1.5: below, weights of 32 bits "
         "do not move; above, no training converges; 0.01 is a good start."),
        ("training_hyperparameters.drop_path", 2,
         "must be a number, at least 0 and at most 1, got 2: a probability: at 1 "
         "one branch alone survives in the end."),
        ("training_hyperparameters.weight_decay", "x",
         "must be a number, at least 0 and at most 1, or null, got 'x'."),
        ("dataset.validation_size", 1.0, "must be a number, above 0 and below 1, or null, got 1.0: "
         "at 0 nothing validates, at 1 nothing trains; 0.1 is usual, null takes the validation split that "
         "your data bring."),
        ("dataset.cache", "true", "must be true or false, got 'true'. Write true without quotes."),
        ("dataset.cache", 1, "must be true or false, got 1."),
        ("dataset.resize", 32, "must be an object with keys of width, height, or null, got 32."),
        ("dataset.classes_count", 1,
         "must be a whole number, at least 2 and at most 10,000, or null, got 1: of a single class "
         "nothing can be learnt, and the table of true and predicted ones has as many entries as the square "
         "of it; null counts them."),
        ("others.seed", -1, "must be a whole number, at least 0 and below 2^63, got -1."),
        ("others.train_strategy", "gpu",
         "must be one of 'auto', 'CPU', 'GPU', 'multi-GPU', 'TPU', got 'gpu'. "
         "Did you mean 'GPU'?"),
        ("others.timing", "simulate", "must be one of 'measured', 'simulated', got 'simulate'. "
         "Did you mean 'simulated'?"),
        ("others.max_hours", 0, "must be a number, above 0 and at most 87,600, or null, got 0."),
        ("training_hyperparameters.optimizer.scheduler", "cdr: 3 perids",
         "'perids' is no parameter of 'cdr'. "
         "Did you mean 'period'? The form is 'cdr: P period, T t_mul, M m_mul, A alpha', in this order."),
    ],
)  # fmt: skip
def test_one_wrong_value(place, value, message):
    assert problems(with_field(place, value)) == [f"{place}: {message}"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("search_space.bloks", "unknown key 'bloks'. Did you mean 'blocks'?"),
        ("search_space.epochs", "unknown key 'epochs'. It belongs in training_hyperparameters."),
        ("others.warmup", "unknown key 'warmup'. It belongs in training_hyperparameters.optimizer."),
        ("dataset.resize.size", "unknown key 'size'. The keys here are: width, height."),
        ("data", "unknown key 'data'. Did you mean 'dataset'?"),
        ("blocks", "unknown key 'blocks'. It belongs in search_space."),
    ],
)
def test_unknown_keys(place, message):
    document = with_field(place, 1)
    if place.startswith("dataset.resize"):
        document["dataset"]["resize"].update(width=8, height=8)
    assert problems(document) == [f"{place}: {message}"]


def test_all_mistakes_of_form_and_between_fields_come_at_once():
    document = {
        "search_space": {"operators": ["identity", 3, "", "identity"]},
        "search_strategy": {
            "constraints": {"params": [5, 1], "flops": [1], "accuracy": [0.5, 1]},
            "score_metric": "mean_iou",
        },
        "training_hyperparameters": {
            "epochs": 5,
            "optimizer": {"warmup": 9, "type": "radam", "scheduler": "cd"},
        },
        "dataset": {**DATA, "cache": "yes", "folds": 3, "validation_size": None},
        "others": {"executor": {"kind": 3}},
    }
    found = problems(document, names=name_rules())
    assert [line.partition(": ")[0] for line in found] == [
        "search_space.operators[1]",
        "search_space.operators[2]",
        "search_strategy.constraints.flops[1]",
        "dataset.cache",
        "others.executor.kind",
        "search_space.operators[3]",
        "search_strategy.score_metric",
        "search_strategy.constraints.params",
        "search_strategy.constraints.accuracy",
        "training_hyperparameters.optimizer.scheduler",
        "training_hyperparameters.optimizer.warmup",
        "training_hyperparameters.optimizer.warmup",
        "dataset.validation_size",
    ]


def test_the_message_as_a_whole():
    with pytest.raises(ConfigError) as caught:
        config.load({"dataset": DATA, "search_space": {"blocks": 0, "bloks": 1}})
    assert str(caught.value) == (
        "2 mistakes in the configuration:\n"
        "  search_space.blocks: must be a whole number, at least 1 and at most 32, got 0.\n"
        "  search_space.bloks: unknown key 'bloks'. Did you mean 'blocks'?"
    )


def test_what_is_required():
    assert problems({}) == [
        "dataset: is missing; it must be an object with keys of type, name, path, classes_count, "
        "ignore_class, "
        "batch_size, val_test_batch_size, inference_batch_size, validation_size, cache, folds, samples, "
        "balance_class_losses, class_labels_remapping, data_augmentation, resize, rescale, normalize."
    ]
    assert problems({"dataset": {}}) == [
        "dataset.type: is missing; it must be a text that is not empty.",
        "dataset: needs a 'name' (of a known data set) or a 'path' (to your own data).",
    ]


def test_long_and_strange_values_are_shortened_and_made_visible():
    long = problems(with_field("others.timing", "x" * 1000))[0]
    assert long.endswith("got '" + "x" * 57 + "...'.")
    assert "\x1b" not in problems(with_field("others.timing", "\x1b[31m"))[0]
    assert problems(with_field("others.a b", 1))[0].startswith('others["a b"]: unknown key')


def test_lines_of_a_file(tmp_path):
    path = tmp_path / "my.json"
    path.write_text(
        '// mine\n{"dataset": {"type": "image_classification",\n "name": "digits"},\n'
        '"search_space": {\n"blocks": 0},\n"search_strategy": {"score_metric": "mean_iou"}}'
    )
    assert problems(path, names=name_rules()) == [
        "search_space.blocks: must be a whole number, at least 1 and at most 32, got 0. (line 5)",
        "search_strategy.score_metric: 'mean_iou' is not measured in image_classification. Choose one of: "
        "accuracy, f1_score. (line 6)",
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "search_space.blocks=0",
            "search_space.blocks: must be a whole number, at least 1 and at most 32, got 0. (from `sets`)",
        ),
        (
            "search_space.bloks=2",
            "search_space.bloks: unknown key 'bloks'. Did you mean 'blocks'? (from `sets`)",
        ),
        (
            "search_spce.blocks=2",
            "search_spce: unknown key 'search_spce'. Did you mean 'search_space'? (from `sets`)",
        ),
        (
            "search_space.blocks.max=2",
            "search_space.blocks.max: 'blocks' has no keys of its own. (from `sets`)",
        ),
        ("search_space.blocks", "`sets`: must be written section.key=value, got 'search_space.blocks'."),
        (".blocks=2", "`sets`: must be written section.key=value, got '.blocks=2'."),
        (
            "others.seed=NaN",
            "others.seed: must be a whole number, at least 0 and below 2^63, got 'NaN'. (from `sets`)",
        ),
    ],
)
def test_mistakes_in_set(change, problem):
    assert problems({"dataset": DATA}, sets=[change]) == [problem]
