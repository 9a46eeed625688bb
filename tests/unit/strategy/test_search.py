"""The progressive search as a whole, with made-up results."""

import random

import numpy as np
import pytest

from popnas.cells import Cell, SearchSpace, bulk
from popnas.evaluation import Evaluation
from popnas.strategy import ProgressiveSearch, StrategySettings


def evaluation(step, index, cell, score=0.5, is_failed=False, is_exploration=False):
    return Evaluation(
        cell=str(cell),
        step=step,
        index=index,
        is_exploration=is_exploration,
        seed=0,
        score=None if is_failed else score,
        error="the loss is NaN" if is_failed else None,
        error_kind="nan" if is_failed else None,
    )


def made_up_predictions(expansion):
    operators = expansion.canonical[:, :, 1::2].astype(float).sum(axis=(1, 2))
    inputs = expansion.canonical[:, :, 0::2].astype(float).sum(axis=(1, 2))
    return {
        "score": np.tanh(operators / 30 + inputs / 50),
        "time": operators + 1,
        "params": expansion.parent * 7 + 3,
    }


def run(space, settings, steps, is_failed=lambda step, index: False, shuffle=None):
    search, proposals = ProgressiveSearch(space, settings), {}
    for step in range(steps + 1):
        if step < 2:
            proposals[step] = search.proposals(step)
        else:
            parents = search.parents(step)
            if not parents:
                break
            expansion = bulk.expand(space.encode(parents), space)
            predictions = made_up_predictions(expansion)
            selection = search.select(step, 0, expansion, predictions)
            proposals[step] = search.proposals_of(expansion, selection, predictions)
        results = [
            evaluation(
                step, index, item.cell, 0.1 * step + index / 1000, is_failed(step, index), item.is_exploration
            )
            for index, item in enumerate(proposals[step])
        ]
        if shuffle is not None:
            shuffle.shuffle(results)
        for result in results:
            search.record(result)
    return search, proposals


def test_first_steps():
    space = SearchSpace("abc", 3, 2)
    search = ProgressiveSearch(space, StrategySettings(1, 0))
    assert [item.cell for item in search.proposals(0)] == [Cell()]
    singles = [item.cell for item in search.proposals(1)]
    assert len(singles) == space.count_new_blocks(1)
    assert singles == sorted({cell.canonical() for cell in singles}, key=lambda cell: cell.sort_key)


@pytest.mark.parametrize("objectives", [("score", "time"), ("score", "time", "params")])
def test_steps_grow_from_the_successes_of_the_step_before(objectives):
    space = SearchSpace([f"{index}" for index in range(8)], 4, 2)
    settings = StrategySettings(3, 2, objectives)
    search, proposals = run(space, settings, 4, is_failed=lambda step, index: step == 2 and index == 0)
    assert all(0 < len(proposals[step]) <= 5 for step in (2, 3, 4))
    assert any(item.is_exploration for item in proposals[2])
    assert search.parents(3) == [item.cell for item in proposals[2][1:]]
    for step in (2, 3, 4):
        cells = [item.cell for item in proposals[step]]
        assert cells == [cell.canonical() for cell in cells]
        assert len(set(cells)) == len(cells)
        assert {len(cell) for cell in cells} == {step}
        scores = [item.predictions["score"] for item in proposals[step] if not item.is_exploration]
        assert scores == sorted(scores, reverse=True)
        assert all(set(item.predictions) >= set(objectives) for item in proposals[step])
        assert {type(value) for item in proposals[step] for value in item.predictions.values()} <= {
            int,
            float,
        }
    assert not any(item.is_exploration for item in proposals[4])


def test_the_order_of_completion_does_not_matter():
    space, settings = SearchSpace("abcdef", 3, 2), StrategySettings(4, 2)
    _, plain = run(space, settings, 3)
    _, shuffled = run(space, settings, 3, shuffle=random.Random(5))
    assert plain == shuffled


def test_a_step_of_failures_ends_the_search():
    space = SearchSpace("abc", 4, 2)
    search, proposals = run(space, StrategySettings(4, 2), 4, is_failed=lambda step, index: step == 2)
    assert sorted(proposals) == [0, 1, 2]
    assert search.parents(3) == []
    assert search.parents(4) == []
    assert search.best().step == 1


def test_best_is_the_best_score_of_any_step_but_the_empty_cell():
    search = ProgressiveSearch(SearchSpace("ab", 3, 1), StrategySettings(4, 0))
    assert search.best() is None
    search.record(evaluation(0, 0, "[]", score=0.99))
    assert search.best() is None
    search.record(evaluation(1, 2, "[(-1, b, -1, b)]", score=0.8))
    search.record(evaluation(1, 1, "[(-1, a, -1, b)]", score=0.8))
    search.record(evaluation(1, 0, "[(-1, a, -1, a)]", score=0.1, is_failed=True))
    assert search.best().cell == "[(-1, a, -1, b)]"
    search.record(evaluation(2, 0, "[(-1, a, -1, a);(-1, a, 0, b)]", score=0.8))
    assert search.best().cell == "[(-1, a, -1, b)]"
    search.record(evaluation(2, 1, "[(-1, a, -1, b);(-1, a, 0, b)]", score=0.81))
    assert search.best().step == 2


def test_pnas_mode_trains_the_best_scores():
    space = SearchSpace("abcd", 3, 2)
    settings = StrategySettings(6, 3, ("score", "time"), is_pnas=True)
    search, proposals = run(space, settings, 3)
    expansion = bulk.expand(space.encode(search.parents(3)), space)
    scores = np.sort(made_up_predictions(expansion)["score"])[::-1][:6]
    assert [item.predictions["score"] for item in proposals[3]] == pytest.approx(scores.tolist(), rel=1e-5)
    assert [set(item.predictions) for item in proposals[3]] == [{"score", "time", "params"}] * 6
    assert not any(item.is_exploration for item in proposals[3])
