"""Steps that choose their cells in rounds: each learns from the ones before, and none is lost or repeated."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from popnas import evaluators
from popnas.cells import Cell
from popnas.evaluators.table import stored
from popnas.runs import RunFolder, search_content
from popnas.runs.journal import Journal
from popnas.workflows.searching import finish
from popnas.workflows.searching.in_memory import MemorySearch
from popnas.workflows.searching.search import resume, search
from popnas.workflows.settings import load_config, max_networks

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
from made_tables import OPERATORS, made

STRATEGY = {
    "max_children": 6,
    "max_exploration_children": 2,
    "score_share": 0.3,
    "rounds": 3,
    "random_children": 2,
}
GROWN_WIDELY = {
    **STRATEGY,
    "max_children": 4,
    "rounds": 2,
    "single_block_repeats": 2,
    "growth_share": 0.5,
    "untrained_parents": 4,
}


@pytest.fixture(params=[STRATEGY, GROWN_WIDELY], ids=["rounds", "grown widely"])
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    monkeypatch.setattr(finish, "views", lambda *_: None)
    stored.write(tmp_path / "table.npz", made(3, 1))
    return load_config(
        {
            "search_space": {"blocks": 3, "lookback_depth": 1, "operators": list(OPERATORS)},
            "search_strategy": request.param,
            "training_hyperparameters": {"epochs": 3},
            "dataset": {"type": "image_classification", "path": str(tmp_path / "table.npz")},
            "others": {
                "evaluator": "table",
                "predictors": {"score": "trees", "time": "sums"},
                "seed": 3,
            },
        }
    )


def test_every_round_chooses_anew_among_what_is_left(config: Any, tmp_path: Path) -> None:
    folder = RunFolder(search(config, name="run", logs=tmp_path).folder)
    state = folder.state()
    assert state.finish_reason == "completed"
    num_rounds = config.search_strategy.rounds
    assert set(state.predictions) == {(step, number) for step in (2, 3) for number in range(num_rounds)}
    for step in (2, 3):
        sizes = state.rounds[step]
        assert len(sizes) == num_rounds and sum(sizes) == len(state.proposals[step]) <= max_networks(
            config, step
        )
        cells = [item.cell for item in state.proposals[step]]
        assert len(set(cells)) == len(cells)
        assert [item.index for item in state.proposals[step]] == list(range(len(cells)))
        random = [number for number, item in enumerate(state.proposals[step]) if item.is_random]
        assert len(random) == 2 and max(random) < sizes[0]
        known = [state.predictions[step, number] for number in range(num_rounds)]
        left = [item.num_candidates for item in known]
        assert left == [left[0] - sum(sizes[:number]) for number in range(num_rounds)]
        for number, item in enumerate(known):
            arrays = folder.load_predictions(step, item.sha256, number)
            assert len(arrays["score"]) == item.num_candidates
        # What a round learns from its predecessors changes what it predicts.
        assert len({item.sha256 for item in known}) == num_rounds


@pytest.mark.parametrize("config", [GROWN_WIDELY], indirect=True)
def test_the_best_of_what_a_step_did_not_train_is_grown_too(config: Any, tmp_path: Path) -> None:
    state = RunFolder(search(config, name="run", logs=tmp_path).folder).state()
    space, most = config.space, config.search_strategy.untrained_parents
    assert len(state.proposals[1]) < space.count_new_blocks(1)
    assert set(state.untrained_parents) == {1, 2}
    for step, untrained in state.untrained_parents.items():
        trained = [item.cell for item in state.proposals[step]]
        assert 0 < len(untrained) <= most and not set(untrained) & set(trained)
        assert all(len(Cell.parse(cell).blocks) == step for cell in untrained)
        parents = space.encode([Cell.parse(text) for text in [*trained, *untrained]], step)
        grown = state.predictions[step + 1, 0].num_expansions
        assert grown == len(parents) * space.count_new_blocks(step + 1)
    assert len(state.untrained_parents[2]) == most
    # Half of K before the last step.
    assert state.rounds[2] == [1 + 1 + 2, 1 + 1] and sum(state.rounds[3]) == 4 + 2


def test_a_search_in_memory_does_the_same(config: Any, tmp_path: Path) -> None:
    in_folder = RunFolder(search(config, name="run", logs=tmp_path).folder).state()
    in_memory = MemorySearch(evaluators.create(config))
    found = in_memory.run()
    assert [item.content() for item in found] == [item.content() for item in in_folder.evaluations]
    assert in_memory.state.proposals == in_folder.proposals
    assert in_memory.state.rounds == in_folder.rounds


def _places(events: list[Any]) -> Iterator[Any]:
    """After which events a search ends: predictions, proposals, first evaluations of rounds; where there
    are untrained parents these and the predictions that are made of them."""
    kinds = [event.event for event in events]
    if "untrained_parents" in kinds:
        for number, kind in enumerate(kinds):
            if kind == "untrained_parents":
                yield from events[number : number + 2]
        return
    for number, event in enumerate(events):
        if event.event in ("predictions", "proposals") and event.content["step"] == 2:
            yield event
            if event.event == "proposals":
                yield events[number + 1]


def test_one_that_is_interrupted_again_and_again_goes_on_to_the_same(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunFolder(search(config, name="whole", logs=tmp_path).folder).journal.events()
    append, folder = Journal.append, tmp_path / "cut"
    places = list(_places(whole))
    assert len(places) >= 4
    for place in places:

        def limited(journal: Journal, *content: Any, last: Any = place) -> Any:
            event = append(journal, *content)
            if (event.event, event.content) == (last.event, last.content):
                raise KeyboardInterrupt
            return event

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", limited)
            with pytest.raises(KeyboardInterrupt):
                if folder.exists():
                    resume(folder)
                else:
                    search(config, name=folder.name, logs=tmp_path)
    resume(folder)
    assert search_content(RunFolder(folder).journal.events()) == search_content(whole)
