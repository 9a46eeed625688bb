"""Which single-block cells are trained, where not all of them are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Block, Cell, SearchSpace
from popnas.cells.bulk import expand
from popnas.strategy import ProgressiveSearch, StrategySettings


def firsts(space, repeats, seed=0, needed=(), **knows):
    strategy = StrategySettings(4, single_block_repeats=repeats, seed=seed)
    return [item.cell for item in ProgressiveSearch(space, strategy).proposals(1, needed=needed, **knows)]


def uses(cells):
    """Of every operator on every lookback: in how many cells it stands."""
    counts = {}
    for cell in cells:
        (block,) = cell.blocks
        for half in {(block.in1, block.op1), (block.in2, block.op2)}:
            counts[half] = counts.get(half, 0) + 1
    return counts


@given(st.integers(1, 7), st.integers(1, 3), st.integers(2, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_every_operator_on_every_lookback_is_in_so_many_cells(operators, lookbacks, repeats, seed):
    space = SearchSpace([f"{index}" for index in range(operators)], 2, lookbacks)
    every = firsts(space, 0)
    chosen = firsts(space, repeats, seed)
    assert len(set(chosen)) == len(chosen) and set(chosen) <= set(every)
    most = uses(every)
    found = uses(chosen)
    assert all(found[half] >= min(repeats, most[half]) for half in most)
    # Predictors learn from three at least, where there are so many.
    assert len(chosen) >= min(3, len(every))
    assert chosen == firsts(space, repeats, seed)


def test_they_are_few_where_operators_are_many_and_hold_those_that_are_needed():
    space = SearchSpace([f"{index}" for index in range(13)], 3, 2)
    pure = [Cell((Block(-1, name, -1, name),)) for name in space.operators]
    chosen = firsts(space, 3, needed=pure)
    assert len(firsts(space, 0)) == 351
    assert len(chosen) < 52 and set(pure) <= set(chosen)
    other = firsts(space, 3, seed=1, needed=pure)
    assert len(other) < 52 and other != chosen


def test_only_those_that_can_be_evaluated_are_chosen():
    space = SearchSpace("abcd", 2, 2)

    def knows(cells_NB4):
        return (cells_NB4[:, 0, [1, 3]] != 0).all(axis=1)

    chosen = firsts(space, 2, knows=knows)
    assert min(uses(chosen).values()) >= 2 and len(uses(chosen)) == 6
    assert not any("a" in cell.operators for cell in chosen)


def test_the_best_untrained_cells_become_parents_within_the_constraints():
    space = SearchSpace("abc", 3, 1)
    strategy = StrategySettings(2, constraints={"params": (0, 50)}, untrained_parents=3)
    search = ProgressiveSearch(space, strategy)
    expansion = expand(space.encode([Cell()], 0), space)
    assert len(expansion) == 6
    predictions = {
        "score": np.array([0.1, 0.9, 0.3, 0.8, 0.3, 0.2]),
        "time": np.ones(6),
        "params": np.array([10, 99, 20, 30, 40, 50]),
    }
    found = search.untrained(expansion, predictions)
    cells = space.decode(expansion.canonical)
    assert [item.cell for item in found] == [cells[3], cells[2], cells[4]]
    assert found[0].predictions == {"score": 0.8, "time": 1.0, "params": 30}
    assert ProgressiveSearch(space, StrategySettings(2)).untrained(expansion, predictions) == []


@pytest.mark.parametrize(
    "wrong", [{"untrained_parents": -1}, {"single_block_repeats": -1}, {"growth_share": 0.0}]
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StrategySettings(2, **wrong)
