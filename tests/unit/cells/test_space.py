"""The search space: counts, new blocks, cells as arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.cells import Block, Cell, SearchSpace
from popnas.errors import CellSyntaxError, UserError


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_new_blocks_are_all_distinct_pairs_of_halves(num_operators, depth, step):
    space = SearchSpace("abcd"[:num_operators], 5, depth)
    inputs = [*range(-depth, 0), *range(step - 1)]
    halves = [(value, operator) for value in inputs for operator in range(num_operators)]
    expected = {tuple(sorted((first, second))) for first in halves for second in halves}
    blocks = space.new_blocks(step)
    assert [((a, b), (c, d)) for a, b, c, d in blocks.tolist()] == sorted(expected)
    assert space.count_new_blocks(step) == len(blocks) == len(halves) * (len(halves) + 1) // 2
    assert space.inputs(step).tolist() == inputs
    assert blocks.dtype == np.int16


def test_operators_are_sorted_and_distinct():
    assert SearchSpace(["b", "a", "b", "10 conv"], 5, 2).operators == ("10 conv", "a", "b")


@given(st.integers(0, 6), st.integers(0, 5), st.integers(0, 1000))
def test_arrays_round_trip(num_cells, num_blocks, seed):
    space = SearchSpace("abc", 5, 3)
    cells_NB4 = space.random_cells(num_cells, num_blocks, np.random.default_rng(seed))
    cells = space.decode(cells_NB4)
    assert np.array_equal(space.encode(cells, num_blocks), cells_NB4)
    assert all(len(cell) == num_blocks for cell in cells)


def test_missing_blocks_stand_at_the_end():
    space = SearchSpace("ab", 3, 1)
    cells = [Cell(), Cell((Block(-1, "b", -1, "a"),))]
    array = space.encode(cells, 2)
    assert array.tolist() == [[[0, -1, 0, -1]] * 2, [[-1, 1, -1, 0], [0, -1, 0, -1]]]
    assert space.decode(array) == cells
    assert space.encode([]).shape == (0, 0, 4)


def test_cells_outside_the_space_are_refused_with_the_rule():
    space = SearchSpace(["3x3 conv", "identity"], 3, 2)
    with pytest.raises(CellSyntaxError, match="Did you mean '3x3 conv'"):
        space.encode([Cell((Block(-1, "3x3 con", -1, "identity"),))])
    with pytest.raises(CellSyntaxError, match="lookbacks go from -1 to -2"):
        space.encode([Cell((Block(-3, "identity", -1, "identity"),))])
    with pytest.raises(CellSyntaxError, match="at most 0"):
        space.encode([Cell((Block(-1, "identity", -1, "identity"),))], 0)


@pytest.mark.parametrize("arguments", [([], 2, 2), (["a,b"], 2, 2), (["a"], 0, 2), (["a"], 2, 0)])
def test_impossible_spaces_are_refused(arguments):
    with pytest.raises(UserError):
        SearchSpace(*arguments)


def test_the_space_that_covers_some_cells():
    cells = [Cell((Block(-3, "b", -1, "a"),)), Cell((Block(-1, "c", -1, "a"), Block(0, "a", 0, "a")))]
    space = SearchSpace.covering(cells)
    assert (space.operators, space.num_blocks, space.lookback_depth) == (("a", "b", "c"), 2, 3)
    assert space.decode(space.encode(cells)) == cells
    assert SearchSpace.covering([Cell()]).num_blocks == 1
