"""Cells as values, and the canonical form against brute force."""

import itertools
import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Block, Cell


def cell_of(*blocks):
    return Cell(tuple(Block(*block) for block in blocks))


@st.composite
def small_cells(draw, max_blocks=5):
    """Few inputs and operators, so that twins and equivalent cells are frequent."""
    blocks = []
    for index in range(draw(st.integers(0, max_blocks))):
        halves = st.tuples(st.integers(-1, index - 1), st.sampled_from("ab"))
        blocks.append(Block(*draw(halves), *draw(halves)))
    return Cell(tuple(blocks))


def descriptions(cell):
    """Every list of blocks that describes the cell: all renumberings that are cells, smaller half first."""
    for order in itertools.permutations(range(len(cell))):
        number = {old: new for new, old in enumerate(order)}
        blocks = []
        for index, old in enumerate(order):
            in1, op1, in2, op2 = cell.blocks[old]
            halves = sorted([(number.get(in1, in1), op1), (number.get(in2, in2), op2)])
            if halves[-1][0] >= index:
                break
            blocks.append(Block(*halves[0], *halves[1]))
        else:
            yield tuple(blocks)


def rewritten(cell, rng):
    """An equivalent cell: another order of blocks, halves swapped at random."""
    ways = list(itertools.islice(descriptions(cell), 200))
    blocks = ways[rng.integers(len(ways))]
    return Cell(tuple(Block(b.in2, b.op2, b.in1, b.op1) if rng.random() < 0.5 else b for b in blocks))


@given(small_cells())
@settings(deadline=None)
def test_canonical_form_is_the_smallest_description(cell):
    assert cell.canonical().blocks == min(descriptions(cell))


@given(small_cells(), st.integers(0, 2**32 - 1))
def test_equivalent_cells_share_key_and_hash(cell, seed):
    other = rewritten(cell, np.random.default_rng(seed))
    assert other.key == cell.key
    assert other.is_equivalent(cell)
    assert hash(other.canonical()) == hash(cell.canonical())
    assert other.sort_key == cell.sort_key


@given(small_cells(4), small_cells(4))
@settings(deadline=None)
def test_equivalence_is_that_of_brute_force(cell, other):
    assert cell.is_equivalent(other) == (set(descriptions(cell)) == set(descriptions(other)))


@given(small_cells())
def test_canonical_form_is_its_own(cell):
    canonical = cell.canonical()
    assert canonical.canonical() == canonical
    assert Cell.parse(cell.key) == canonical


def test_twins_are_not_merged():
    twin, other = (-1, "a", -1, "a"), (-1, "b", -1, "b")
    one_feeds_both_halves = cell_of(twin, twin, (0, "a", 0, "a"))
    each_feeds_one_half = cell_of(twin, twin, (0, "a", 1, "a"))
    assert not one_feeds_both_halves.is_equivalent(each_feeds_one_half)
    assert not cell_of(twin, other, (0, "a", 0, "a")).is_equivalent(cell_of(twin, twin, (0, "a", 0, "a")))


def test_swaps_and_order_do_not_matter():
    cell = cell_of((-2, "a", -1, "b"), (-1, "a", -1, "a"), (0, "a", 1, "b"))
    other = cell_of((-1, "a", -1, "a"), (-1, "b", -2, "a"), (0, "b", 1, "a"))
    assert cell.is_equivalent(other)
    assert cell != other
    assert not cell.is_equivalent(cell_of((-2, "a", -1, "b"), (-1, "a", -1, "a"), (0, "b", 1, "a")))


@pytest.mark.parametrize(
    "cell",
    [
        cell_of(*[(-1, "a", -1, "a")] * 24),
        cell_of(*[(-1, "a", -1, "a")] * 10, *[(-1, "a", index, "a") for index in range(10)]),
        cell_of(*[(-1, "a", -1, "a")] * 5, *[(-1, "abcde"[index], index, "a") for index in range(5)]),
    ],
)
def test_many_twins_take_no_time(cell):
    start = time.process_time()
    shuffled = Cell(tuple(Block(b.in2, b.op2, b.in1, b.op1) for b in cell.blocks))
    assert shuffled.is_equivalent(cell)
    assert time.process_time() - start < 2


def test_canonical_forms_are_ordered_by_length_then_blocks():
    cells = [
        Cell(),
        cell_of((-2, "a", -2, "a")),
        cell_of((-2, "a", -1, "a")),
        cell_of((-2, "b", -2, "b")),
        cell_of((-1, "a", -1, "a")),
        cell_of((-2, "a", -2, "a"), (-1, "a", 0, "a")),
    ]
    mixed = [cells[index] for index in (3, 5, 0, 4, 2, 1)]
    assert sorted(mixed, key=lambda cell: cell.sort_key) == cells


def test_what_a_cell_uses():
    cell = cell_of((-3, "b", -1, "a"), (0, "c", -1, "a"), (-1, "a", -1, "a"))
    assert cell.operators == {"a", "b", "c"}
    assert cell.lookbacks == (-1, -3)
    assert cell.unused_blocks == (1, 2)
    assert len(cell) == 3
    empty = Cell()
    assert (empty.operators, empty.lookbacks, empty.unused_blocks, len(empty), empty.key) == (
        set(),
        (),
        (),
        0,
        "[]",
    )


def test_the_empty_cell_is_true_like_any_other():
    assert Cell()


def test_blocks_of_numpy_numbers_and_lists_become_plain():
    cell = Cell([[np.int16(-1), "a", np.int64(-2), np.str_("b")]])
    assert cell == cell_of((-1, "a", -2, "b"))
    assert {type(value) for value in cell.blocks[0]} == {int, str}


def test_a_cell_can_be_pickled_to_a_worker():
    cell = cell_of((-2, "a", -1, "b"))
    assert cell.key
    assert pickle.loads(pickle.dumps(cell)) == cell
