"""What a run remembers of its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from popnas import tasks
from popnas.errors import DataError
from popnas.evaluators.training import training_data
from popnas.evaluators.training.training_data import DataFacts
from popnas.workflows.searching.search import resume, search
from popnas.workflows.settings import load_config


@pytest.fixture
def dataset(config: Callable[..., dict[str, Any]]) -> Any:
    loaded = load_config(config())
    return tasks.get(loaded.dataset.type).load(loaded)


def test_equal_data_have_equal_facts(dataset: Any) -> None:
    facts = DataFacts.of(dataset)
    assert training_data.compare(facts.to_json(), facts, "digits") is None


def test_other_values_are_warned_about(dataset: Any) -> None:
    x = dataset.full_train.x.copy()
    x[0] += 1
    changed = replace(dataset, full_train=replace(dataset.full_train, x=x))
    warning = training_data.compare(DataFacts.of(dataset).to_json(), DataFacts.of(changed), "digits")
    assert warning is not None and "start a new run" in warning


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"class_names": ["cat", "dog"]}, "the classes were 0, 1, .* and are cat, dog"),
        ({"sizes": {"train": 1, "validation": 2}}, r"are 1 \(train\) and 2 \(validation\)"),
        ({"input_shape": [9, 9, 1]}, "the input shape were 8, 8, 1 and are 9, 9, 1"),
    ],
)
def test_other_data_are_refused(dataset: Any, change: dict[str, Any], words: str) -> None:
    known = DataFacts.of(dataset)
    with pytest.raises(DataError, match=words):
        training_data.compare(known.to_json(), replace(known, **change), "digits")


def test_a_resumed_search_notices(
    tmp_path: Any, config: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = config(**{"search_space.blocks": 1, "others.max_hours": 1e-9})
    folder = search(limited, name="run", logs=tmp_path).folder
    known = DataFacts.of
    monkeypatch.setattr(DataFacts, "of", lambda data: replace(known(data), class_names=["other"]))
    with pytest.raises(DataError, match="have changed since this run was started"):
        resume(folder)
