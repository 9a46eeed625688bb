"""Where a configuration comes from: presets, files and mappings; unreadable ones get a clear message."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas import config
from popnas.errors import ConfigError

MINIMAL = {"dataset": {"type": "image_classification", "name": "digits"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def message(source, **arguments):
    with pytest.raises(ConfigError) as caught:
        config.load(source, **arguments)
    return str(caught.value)


def test_a_file_is_found_by_its_path(tmp_path):
    path = tmp_path / "my.json"
    path.write_text(json.dumps(MINIMAL))
    assert config.load(path) == config.load(str(path)) == config.load(MINIMAL)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "my.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode())
    assert config.load(path) == config.load(MINIMAL)


def test_an_editors_schema_key_is_no_setting():
    assert config.load({"$schema": "popnas.schema.json", **MINIMAL}) == config.load(MINIMAL)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "runn",
            "runn: is neither a file nor a preset. Did you mean the preset 'run'? The presets are: ",
        ),
        ("configs/run_ts.json", "Did you mean the preset 'run_ts'?"),
        ("/nowhere/x.json", "/nowhere/x.json: is neither a file nor a preset. The presets are: run, "),
        (os.curdir, ".: cannot be read: it is a folder, not a file. Give a JSON file or a preset's name."),
        (
            "last_training",
            "last_training: is a partial configuration, for model selection or final training; ",
        ),
        ("a\0b", "cannot be read: its name holds a NUL byte"),
    ],
)
def test_sources_that_are_not_there(name, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert text in message(name)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"a": 1,}', "line 1, column 8: a comma before the '}'; remove it."),
        (b"\xff\xfe{\0}\0", "it is UTF-16 text; save it as UTF-8"),
        (b'{"a": "\xe4"}', "is not UTF-8 text (byte 7); save it as UTF-8."),
        (b" " * (1 << 20) + b"{}", "it is larger than 1 MiB, which no such file is"),
        (b"[1]", "must be an object of sections {...}, got the list [1]."),
        (b"", "line 1, column 1: the text is empty."),
    ],
)
def test_files_that_are_no_configuration(content, text, tmp_path):
    path = tmp_path / "my.json"
    path.write_bytes(content)
    assert text in message(path)
    assert "my.json" in message(path)


@pytest.mark.parametrize(
    ("change", "place", "value"),
    [
        ("search_space.blocks=2", "search_space.blocks", 2),
        ("search_strategy.additional_pareto_objectives=[]", None, None),
        ("dataset.name=my=set", "dataset.name", "my=set"),
        ("dataset.path=//server/data", "dataset.path", "//server/data"),
        ('dataset.name="5"', "dataset.name", "5"),
        ("training_hyperparameters.weight_decay=null", "training_hyperparameters.weight_decay", None),
        ("training_hyperparameters.optimizer.type=adam", "training_hyperparameters.optimizer.type", "adam"),
        ('dataset.resize={"width": 8, "height": 9}', "dataset.resize.height", 9),
        ("dataset.data_augmentation.enabled=true", "dataset.data_augmentation.enabled", True),
    ],
)
def test_set(change, place, value):
    if place is None:
        assert "needs at least one objective" in message(MINIMAL, sets=[change])
        return
    found = config.load(MINIMAL, sets=[change])
    for key in place.split("."):
        found = getattr(found, key)
    assert found == value


def test_later_sets_win_and_null_sections_are_filled():
    document = {"dataset": {**MINIMAL["dataset"], "resize": None}}
    sets = ["dataset.resize.width=4", "dataset.resize.height=5", "dataset.resize.width=6"]
    assert config.load(document, sets=sets).dataset.resize.width == 6


def load_quietly(source, **arguments):
    try:
        return config.load(source, **arguments)
    except ConfigError as error:
        assert error.problems
        assert str(error)
        return None


@given(JSON)
def test_garbage_gives_nothing_but_configuration_errors(value):
    if isinstance(value, dict):
        load_quietly(value)
    load_quietly({**MINIMAL, "others": value})
    load_quietly({"dataset": value})


PLACES = [
    ("search_space", "blocks"),
    ("search_space", "operators"),
    ("search_strategy", "constraints"),
    ("search_strategy", "additional_pareto_objectives"),
    ("training_hyperparameters", "learning_rate"),
    ("training_hyperparameters", "optimizer"),
    ("architecture_hyperparameters", "activation_function"),
    ("dataset", "class_labels_remapping"),
    ("dataset", "resize"),
    ("dataset", "batch_size"),
    ("dataset", "type"),
    ("others", "executor"),
    ("others", "max_hours"),
]


@given(st.dictionaries(st.sampled_from(PLACES), JSON, max_size=4))
def test_garbage_in_fields_gives_problems_or_a_configuration_that_round_trips(fields):
    document = {"dataset": dict(MINIMAL["dataset"])}
    for (section, key), value in fields.items():
        document.setdefault(section, {})[key] = value
    loaded = load_quietly(document)
    if loaded is not None:
        assert config.load(loaded.to_json()) == loaded
        assert config.load(json.loads(config.to_text(loaded.to_json()))) == loaded


@given(st.text(max_size=20), st.text(max_size=20))
def test_garbage_in_set_gives_nothing_but_configuration_errors(change, value):
    load_quietly(MINIMAL, sets=[change])
    load_quietly(
        MINIMAL, sets=[f"search_space.{change}={value}", f"search_strategy.constraints.{change}={value}"]
    )
