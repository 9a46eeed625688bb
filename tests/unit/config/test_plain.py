"""What notebooks hand over for a configuration: taken for the JSON value that it is, or shown as it is."""

from __future__ import annotations

import collections
import decimal
import enum
import fractions
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from popnas import config
from popnas.config import RunConfig
from popnas.errors import ConfigError


class Task(enum.Enum):
    IMAGES = "image_classification"


def with_value(place: str, value: Any) -> dict[str, Any]:
    section, key = place.split(".")
    document: dict[str, Any] = {"dataset": {"type": "image_classification", "name": "digits"}}
    document.setdefault(section, {})[key] = value
    return document


def value_at(found: RunConfig, place: str) -> Any:
    section, key = place.split(".")
    return found.to_json()[section][key]


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ("search_space.blocks", np.int64(3), 3),
        ("search_space.blocks", np.uint8(3), 3),
        ("search_space.blocks", np.array(3), 3),
        ("search_space.blocks", torch.tensor(3), 3),
        ("training_hyperparameters.learning_rate", np.float64(0.1), 0.1),
        ("training_hyperparameters.learning_rate", np.float32(0.1), 0.10000000149011612),
        ("training_hyperparameters.learning_rate", np.int32(1), 1.0),
        ("training_hyperparameters.learning_rate", fractions.Fraction(1, 4), 0.25),
        ("training_hyperparameters.learning_rate", np.array(0.25), 0.25),
        ("dataset.cache", np.bool_(False), False),
        ("dataset.type", Task.IMAGES, "image_classification"),
        ("dataset.type", np.str_("image_classification"), "image_classification"),
        ("dataset.path", Path("data") / "mine", "data/mine"),
        ("dataset.class_labels_remapping", {1: 0, np.int64(2): np.uint8(1)}, {"1": 0, "2": 1}),
        ("dataset.class_labels_remapping", collections.OrderedDict({"1": 0}), {"1": 0}),
        ("dataset.resize", types.MappingProxyType({"width": 4, "height": np.int8(5)}),
         {"width": 4, "height": 5}),
        ("search_space.operators", ("identity", "3x3 conv"), ["identity", "3x3 conv"]),
        ("search_space.operators", np.array(["identity", "3x3 conv"]), ["identity", "3x3 conv"]),
        ("search_space.operators", collections.deque(["identity"]), ["identity"]),
        ("search_space.operators", {"identity": 1, "3x3 conv": 2}.keys(), ["identity", "3x3 conv"]),
        ("search_strategy.constraints", {"params": range(0, 20, 10)}, {"params": [0.0, 10.0]}),
        ("search_strategy.constraints", {"params": np.array([0, 10])}, {"params": [0.0, 10.0]}),
    ],
)  # fmt: skip
def test_what_is_exactly_one_value_is_taken_for_it(place: str, value: Any, expected: Any) -> None:
    found = config.load(with_value(place, value))
    assert value_at(found, place) == expected
    assert type(value_at(found, place)) is type(expected)
    assert (
        RunConfig.model_validate(with_value(place, value)).to_json()["dataset"]["type"] == Task.IMAGES.value
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.float64(2.0), "got 2.0."),
        (np.array([2]), "got the list [2]."),
        (np.bool_(True), "got true."),
        (1 + 2j, "got (1+2j) (complex)."),
        (np.complex64(1), "got np.complex64(1+0j) (numpy.complex64)."),
        (decimal.Decimal(2), "got Decimal('2') (decimal.Decimal)."),
        (fractions.Fraction(1, 3), "got Fraction(1, 3) (fractions.Fraction)."),
        (np.longdouble("0.1"), "(numpy.longdouble)."),
        (np.datetime64("2020-01-01", "ns"), "(numpy.datetime64)."),
        (np.ma.masked, "got masked (numpy.ma"),
        (b"2", "got b'2' (bytes)."),
        (range(10**30), "(range)."),
        ({2}, "got {2} (set). A set has no order: write a list."),
        (iter([2]), "(list_iterator). Write list(...) around it."),
        (np.zeros(200_000), "(numpy.ndarray)."),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_as_what_it_is(value: Any, shown: str) -> None:
    for place in ("search_space.blocks", "others.max_hours", "dataset.cache", "dataset.path"):
        if (place == "others.max_hours" and shown == "got 2.0.") or (
            place == "dataset.cache" and shown == "got true."
        ):
            continue
        with pytest.raises(ConfigError) as told:
            config.load(with_value(place, value))
        assert shown in str(told.value), place
        assert [problem.place for problem in told.value.problems] == [place]


def test_what_holds_itself_or_never_ends_is_refused() -> None:
    ring: dict[str, Any] = {}
    ring["ring"] = ring
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    for value in (ring, deep):
        with pytest.raises(ConfigError, match=r"search_space\.blocks: must be a whole number"):
            config.load(with_value("search_space.blocks", value))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({1: 0, "1": 1}, r"the keys 1 and '1' are the same"),
        ({1.5: 0}, r"the key 1.5 is float"),
        ({None: 0}, r"the key None is NoneType"),
        ({True: 0}, r"the key True is bool"),
        ({(1, 2): 0}, r"the key \(1, 2\) is tuple"),
    ],
)
def test_keys_are_texts_or_labels(keys: dict[Any, int], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config.load(with_value("dataset.class_labels_remapping", keys))


def test_a_whole_configuration_loads_as_itself() -> None:
    found = config.load(types.MappingProxyType(with_value("search_space.blocks", 2)))
    assert config.load(found) == found


@pytest.mark.parametrize("source", [3, None, ["run"], b"run"])
def test_what_is_no_configuration(source: Any) -> None:
    with pytest.raises(ConfigError, match="a mapping, a file's path or a preset's name, got"):
        config.load(source)


def test_entries_that_are_no_texts_are_told_once_each() -> None:
    with pytest.raises(ConfigError) as told:
        config.load(with_value("search_space.operators", [0, 1]))
    assert [problem.place for problem in told.value.problems] == [
        "search_space.operators[0]", "search_space.operators[1]",
    ]  # fmt: skip
