"""Arrays of cells do what single cells do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Block, Cell, SearchSpace, bulk
from popnas.cells.bulk import numbering

SPACES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 6), st.integers(0, 2**32 - 1))


def random_cells(num_operators, depth, num_blocks, seed, num_cells=40):
    """Cells of up to `num_blocks` blocks; few operators, so that twins are frequent."""
    rng = np.random.default_rng(seed)
    space = SearchSpace("abc"[:num_operators], 6, depth)
    cells_NB4 = space.random_cells(num_cells, num_blocks, rng)
    for row in range(0, num_cells, 4):
        cells_NB4[row, rng.integers(num_blocks + 1) :] = (0, -1, 0, -1)
    return space, cells_NB4


@given(SPACES)
@settings(deadline=None)
def test_canonical_forms_agree_with_single_cells(drawn):
    space, cells_NB4 = random_cells(*drawn)
    expected = [cell.canonical() for cell in space.decode(cells_NB4)]
    assert space.decode(bulk.canonicalize(cells_NB4)) == expected


@given(SPACES)
@settings(deadline=None, max_examples=30)
def test_canonical_forms_agree_where_branches_are_left_to_the_single_search(drawn):
    space, cells_NB4 = random_cells(*drawn)
    expected = [cell.canonical() for cell in space.decode(cells_NB4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbering, "_MAX_STATES_PER_CELL", 1)
        assert space.decode(bulk.canonicalize(cells_NB4)) == expected


def test_canonical_forms_in_chunks(monkeypatch):
    _, cells_NB4 = random_cells(2, 2, 5, 0, num_cells=100)
    whole = bulk.canonicalize(cells_NB4)
    monkeypatch.setattr(numbering, "_CHUNK", 7)
    assert np.array_equal(bulk.canonicalize(cells_NB4), whole)
    assert whole.dtype == np.int16


def test_many_twins_do_not_explode():
    space = SearchSpace("ab", 20, 1)
    twin = Block(-1, "a", -1, "a")
    cells = [
        Cell((twin,) * 20),
        Cell((twin,) * 10 + tuple(Block(-1, "b", index, "a") for index in range(10))),
    ]
    assert space.decode(bulk.canonicalize(space.encode(cells))) == [cell.canonical() for cell in cells]


@given(SPACES)
@settings(deadline=None)
def test_order_and_duplicates_agree_with_single_cells(drawn):
    space, cells_NB4 = random_cells(*drawn)
    canonical_NB4 = bulk.canonicalize(cells_NB4)
    cells = space.decode(canonical_NB4)
    keys = [cell.sort_key for cell in cells]
    assert bulk.order(canonical_NB4).tolist() == sorted(range(len(cells)), key=keys.__getitem__)
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    assert bulk.unique(canonical_NB4).tolist() == sorted(first.values())


def test_order_where_a_cell_needs_several_words():
    space = SearchSpace([f"{index:02d}" for index in range(40)], 12, 4)
    cells_NB4 = bulk.canonicalize(space.random_cells(500, 12, np.random.default_rng(0)))
    cells_NB4[100:200, :11] = cells_NB4[0, :11]
    cells_NB4[200:300] = cells_NB4[100:200]
    keys = [cell.blocks for cell in space.decode(cells_NB4)]
    assert bulk.order(cells_NB4).tolist() == sorted(range(500), key=keys.__getitem__)
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    assert bulk.unique(cells_NB4).tolist() == sorted(first.values())


@given(SPACES)
@settings(deadline=None)
def test_structure_agrees_with_single_cells(drawn):
    space, cells_NB4 = random_cells(*drawn)
    used = bulk.used_lookbacks(cells_NB4, space.lookback_depth)
    unused, nearest = bulk.unused_blocks(cells_NB4), bulk.nearest_lookback(cells_NB4)
    counts, depths = bulk.num_blocks(cells_NB4), bulk.depth(cells_NB4)
    for index, cell in enumerate(space.decode(cells_NB4)):
        assert tuple(-1 - np.flatnonzero(used[index])) == cell.lookbacks
        assert tuple(np.flatnonzero(unused[index])) == cell.unused_blocks
        assert nearest[index] == (cell.lookbacks[0] if cell.lookbacks else 0)
        assert counts[index] == len(cell)
        assert depths[index] == longest_chain(cell)


def longest_chain(cell):
    chains = []
    for block in cell.blocks:
        chains.append(1 + max([chains[value] for value in (block.in1, block.in2) if value >= 0], default=0))
    return max(chains, default=0)


@pytest.mark.parametrize(
    ("operators", "depth", "num_blocks"), [("ab", 1, 3), ("abc", 2, 2), ("a", 2, 4), ("a", 1, 5)]
)
def test_expansion_is_every_distinct_cell_once(operators, depth, num_blocks):
    space = SearchSpace(operators, num_blocks, depth)
    parents_PB4 = np.empty((1, 0, 4), dtype=np.int16)
    for step in range(1, num_blocks + 1):
        expansion = bulk.expand(parents_PB4, space)
        parents = space.decode(parents_PB4)
        expected = {}
        for parent_index, parent in enumerate(parents):
            for block in blocks_of(space, step):
                expected.setdefault(Cell((*parent.blocks, block)).key, parent_index)
        assert [cell.key for cell in space.decode(expansion.cells)] == list(expected)
        assert [str(cell) for cell in space.decode(expansion.canonical)] == list(expected)
        assert expansion.parent.tolist() == list(expected.values())
        assert np.array_equal(expansion.cells[:, :-1], parents_PB4[expansion.parent])
        assert expansion.num_expansions == len(parents) * space.count_new_blocks(step)
        parents_PB4 = expansion.canonical[np.random.default_rng(step).permutation(len(expansion))[:60]]


def blocks_of(space, step):
    names = space.operators
    return [Block(in1, names[op1], in2, names[op2]) for in1, op1, in2, op2 in space.new_blocks(step).tolist()]


def test_expansion_brings_parents_to_canonical_form():
    space = SearchSpace("ab", 3, 1)
    parents_PB4 = space.random_cells(50, 2, np.random.default_rng(0))
    expansion = bulk.expand(parents_PB4, space)
    canonical = bulk.expand(bulk.canonicalize(parents_PB4), space)
    assert np.array_equal(expansion.cells, canonical.cells)
    assert np.array_equal(bulk.canonicalize(expansion.cells), expansion.canonical)


def test_no_parents_have_no_expansions():
    space = SearchSpace("ab", 3, 1)
    expansion = bulk.expand(np.empty((0, 2, 4), dtype=np.int16), space)
    assert len(expansion) == 0
    assert expansion.cells.shape == expansion.canonical.shape == (0, 3, 4)
