"""Trainings that are repeated at a search's end decide its winner, the same after any interruption."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import evaluators
from popnas.evaluators.table import stored
from popnas.runs import RunFolder, search_content
from popnas.runs.front import trained_front
from popnas.runs.journal import Journal
from popnas.workflows.models.selection import chosen_cells
from popnas.workflows.searching import finish
from popnas.workflows.searching.in_memory import MemorySearch
from popnas.workflows.searching.plan import plan
from popnas.workflows.searching.search import resume, search
from popnas.workflows.settings import load_config
from popnas.workflows.tables.redrawn import redrawn

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
from made_tables import OPERATORS, made

REPEATS = 12


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(finish, "views", lambda *_: None)
    stored.write(tmp_path / "table.npz", redrawn(made(2, 1), 8))
    return load_config(
        {
            "search_space": {"blocks": 2, "lookback_depth": 1, "operators": list(OPERATORS)},
            "search_strategy": {"max_children": 6, "repeats": REPEATS},
            "training_hyperparameters": {"epochs": 3},
            "dataset": {"type": "image_classification", "path": str(tmp_path / "table.npz")},
            "others": {"evaluator": "table", "predictors": {"score": "trees", "time": "sums"}},
        }
    )


def test_the_winner_is_one_of_the_cells_that_were_trained_again(config: Any, tmp_path: Path) -> None:
    result = search(config, name="run", logs=tmp_path)
    state = RunFolder(result.folder).state()
    assert len(state.confirmations) == REPEATS
    won = state.winner
    assert won is not None and result.best is not None and result.best.cell == won.cell
    again = [item for item in state.confirmations if item.cell == won.cell]
    assert won.trainings == len(again) + 1 > 1
    # A table's trainings come in turn, so none was seen twice.
    scores = [state.evaluation(won.cell).score, *(item.score for item in again)]
    assert len(set(scores)) == len(scores)
    assert won.mean == pytest.approx(np.mean(scores), abs=0.02) and won.deviation > 0
    assert chosen_cells(RunFolder(result.folder), 3, False)[0].key == won.cell
    # Whoever takes the best cells begins with it, and the others keep their order.
    assert state.ranked[0] is state.best and state.best.cell == won.cell
    others = [item.score for item in state.ranked[1:]]
    assert others == sorted(others, reverse=True) and len(others) == len(state.allowed) - 1
    # The front, too, takes means: the winner's stands on it, and no lucky training alone does.
    front = trained_front(state)
    known = [state.known_score(item) for item in front]
    assert known == sorted(known, reverse=True) and won.cell in [item.cell for item in front]
    assert state.known_score(result.best) == pytest.approx(np.mean(scores))


def test_a_search_in_memory_decides_the_same(config: Any, tmp_path: Path) -> None:
    in_folder = RunFolder(search(config, name="run", logs=tmp_path).folder).state()
    in_memory = MemorySearch(evaluators.create(config))
    in_memory.run()
    assert in_memory.state.winner == in_folder.winner
    assert in_memory.state.confirmations == in_folder.confirmations


def test_one_that_is_interrupted_goes_on_to_the_same(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunFolder(search(config, name="whole", logs=tmp_path).folder).journal.events()
    kinds = [event.event for event in whole]
    first = kinds.index("confirmation") + 1
    append = Journal.append
    for place in (first, first + 4, first + REPEATS - 1, kinds.index("winner") + 1):

        def limited(journal: Journal, *content: Any, last: int = place) -> Any:
            event = append(journal, *content)
            if event.seq == last:
                raise KeyboardInterrupt
            return event

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", limited)
            with pytest.raises(KeyboardInterrupt):
                search(config, name=f"cut{place}", logs=tmp_path)
        resume(tmp_path / f"cut{place}")
        events = RunFolder(tmp_path / f"cut{place}").journal.events()
        assert search_content(events) == search_content(whole), place


def test_a_plan_counts_what_is_trained_again(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from popnas import config as configurations

    without = configurations.changed(config, {"search_strategy.repeats": 0})
    assert plan(without).confirmation_seconds == 0
    assert plan(config).confirmation_seconds > 0
