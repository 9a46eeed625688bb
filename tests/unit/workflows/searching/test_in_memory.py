"""A search without a folder does what one with a folder does, and ends where it is told to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from popnas import evaluators
from popnas.evaluators.table import stored
from popnas.runs import RunFolder
from popnas.workflows.searching import finish
from popnas.workflows.searching.in_memory import MemorySearch
from popnas.workflows.searching.search import search
from popnas.workflows.settings import load_config

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
from made_tables import OPERATORS, made


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    stored.write(tmp_path / "table.npz", made(3, 1))
    return {
        "search_space": {"blocks": 3, "lookback_depth": 1, "operators": list(OPERATORS)},
        "search_strategy": {"max_children": 4, "max_exploration_children": 2},
        "training_hyperparameters": {"epochs": 3},
        "dataset": {"type": "image_classification", "path": str(tmp_path / "table.npz")},
        "others": {"evaluator": "table", "accuracy_predictor_ensemble_units": 1, "seed": 3},
    }


@pytest.mark.parametrize("is_pnas", [False, True])
def test_the_same_cells_are_proposed_and_evaluated(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_pnas: bool
) -> None:
    monkeypatch.setattr(finish, "views", lambda *_: None)
    document["others"]["pnas_mode"] = is_pnas
    config = load_config(document)
    in_folder = RunFolder(search(config, name="run", logs=tmp_path).folder).state()
    in_memory = MemorySearch(evaluators.create(config))
    found = in_memory.run()
    assert [item.content() for item in found] == [item.content() for item in in_folder.evaluations]
    assert in_memory.state.proposals == in_folder.proposals
    assert in_memory.state.operator_costs == in_folder.operator_costs
    assert in_memory.reason == in_folder.finish_reason == "completed"


@pytest.mark.parametrize("most", [1, 5, 9])
def test_it_ends_when_the_networks_are_used_up(document: dict[str, Any], most: int) -> None:
    evaluator = evaluators.create(load_config(document))
    whole = MemorySearch(evaluator).run()
    cut = MemorySearch(evaluator, most)
    assert cut.run() == whole[:most]
    assert cut.reason == "max_networks"


def test_a_limit_that_is_not_reached_changes_nothing(document: dict[str, Any]) -> None:
    evaluator = evaluators.create(load_config(document))
    whole = MemorySearch(evaluator).run()
    limited = MemorySearch(evaluator, len(whole))
    assert limited.run() == whole
    assert limited.reason == "completed"
