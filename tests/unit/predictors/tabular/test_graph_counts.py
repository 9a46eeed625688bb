"""Counts of a cell's graph against paths that are walked one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Cell, SearchSpace, bulk
from popnas.predictors.tabular.equivalents import equivalents
from popnas.predictors.tabular.graph_counts import GraphCounts

SPACE = SearchSpace(["conv", "pass", "pool", "zero"], 4, 2)
MADE = GraphCounts(SPACE, frozenset({"pass"}), frozenset({"zero"}))


def paths_of(cell: Cell) -> list[tuple[str, ...]]:
    """From "lookback -1" or the like by way of operators to the output."""
    ends: list[list[tuple[str, ...]]] = []
    for block in cell.blocks:
        found = []
        for source, name in ((block.in1, block.op1), (block.in2, block.op2)):
            before = ends[source] if source >= 0 else [(f"lookback {source}",)]
            if name != "zero":
                found += [path if name == "pass" else (*path, name) for path in before]
        ends.append(found)
    read = {source for block in cell.blocks for source in (block.in1, block.in2)}
    return [path for number, found in enumerate(ends) if number not in read for path in found]


def counts_by_hand(cell: Cell) -> dict[str, float]:
    paths = paths_of(cell)
    read = {source for block in cell.blocks for source in (block.in1, block.in2)}
    found = dict.fromkeys(MADE.names(), 0.0)
    found |= {"blocks": len(cell), "outputs": len(set(range(len(cell))) - read), "paths": len(paths)}
    lengths = [len(path) - 1 for path in paths]
    found["longest path"] = max(lengths, default=-1)
    found["shortest path"] = min(lengths, default=SPACE.num_blocks + 1)
    for name in SPACE.operators:
        on_paths = [path.count(name) for path in paths]
        found[f"most {name} on a path"] = max(on_paths, default=-1)
        found[f"least {name} on a path"] = min(on_paths, default=-1)
        for number in on_paths:
            found[f"paths with {('no', 'one', 'two', 'more')[min(number, 3)]} {name}"] += 1
    for path in paths:
        found[f"paths of {len(path) - 1} operators"] += 1
        found[f"paths that end with {path[-1]}"] += 1
        for name, then in pairwise(path):
            found[f"paths from {name} to {then}"] += 1
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), num_blocks=st.integers(0, 4))
def test_counts_are_those_of_the_paths(seed: int, num_blocks: int) -> None:
    cells_NB4 = SPACE.random_cells(3, num_blocks, np.random.default_rng(seed))
    for row, cell in zip(MADE.table(cells_NB4), SPACE.decode(cells_NB4), strict=True):
        assert dict(zip(MADE.names(), row.tolist(), strict=True)) == counts_by_hand(cell)


def test_equivalent_cells_have_equal_counts_and_one_canonical_form() -> None:
    rng = np.random.default_rng(0)
    cells_NB4 = SPACE.random_cells(60, 4, rng)
    others = equivalents(cells_NB4, rng)
    assert (others != cells_NB4).any()
    np.testing.assert_array_equal(bulk.canonicalize(others), bulk.canonicalize(cells_NB4))
    np.testing.assert_array_equal(MADE.table(others), MADE.table(cells_NB4))


@pytest.mark.parametrize("has_hint", [True, False])
def test_chunks_give_the_columns_that_are_asked_for(has_hint: bool) -> None:
    parents = bulk.canonicalize(SPACE.random_cells(70, 3, np.random.default_rng(3)))
    expansion = bulk.expand(parents[bulk.unique(parents)][:65], SPACE)
    columns = np.array([0, 7, len(MADE.names()) - 1])
    found = np.full((len(expansion.cells), 3), np.nan)
    for rows, part in MADE.chunks(expansion.cells, columns, expansion.parent if has_hint else None):
        assert np.isnan(found[rows]).all()
        found[rows] = part
    np.testing.assert_array_equal(found, MADE.table(expansion.canonical)[:, columns])
