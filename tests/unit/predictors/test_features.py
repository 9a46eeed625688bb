from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Cell, SearchSpace, bulk
from popnas.predictors.features import (
    TIME_FEATURES,
    operator_costs,
    score_feature_names,
    score_features,
    time_features,
)

SPACE = SearchSpace(["a", "b", "c"], 5, 3)
COSTS = np.array([0.1, 0.7, 1.0])


def features_by_hand(cell: Cell, costs: dict[str, float], stacked: int) -> list[float]:
    """The definition in docs/search.md, block by block, with sets instead of arrays."""
    halves = [((block.in1, block.op1), (block.in2, block.op2)) for block in cell.blocks]
    feeders: list[set[int]] = []  # the blocks that feed each block, and itself
    depths: list[int] = []
    for number, block in enumerate(halves):
        sources = [source for source, _ in block if source >= 0]
        feeders.append({number}.union(*(feeders[source] for source in sources)))
        depths.append(1 + max((depths[source] for source in sources), default=0))
    if not halves:
        return [0, 0, 0, 0, 1, 0, 0, 0, 1]
    block_cost = [sum(costs[name] for _, name in block) for block in halves]
    inputs = [source for block in halves for source, _ in block]
    outputs = [number for number in range(len(halves)) if number not in inputs]
    total = sum(block_cost)
    from_lookbacks = sum(costs[name] for block in halves for source, name in block if source < 0)
    paths = [
        costs[name] + (sum(block_cost[feeder] for feeder in feeders[source]) if source >= 0 else 0)
        for number in outputs
        for source, name in halves[number]
    ]
    return [
        len(halves),
        stacked,
        total,
        int(len({source for source in inputs if source < 0}) > 1),
        from_lookbacks / total if total else 1,
        sum(source >= 0 for source in inputs),
        max(depths),
        len(outputs) if len(outputs) > 1 else 0,
        max(paths) / total if total else 1,
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), num_blocks=st.integers(0, 5), has_costs=st.booleans())
def test_time_features_equal_their_definition(seed: int, num_blocks: int, has_costs: bool) -> None:
    cells_NB4 = SPACE.random_cells(4, num_blocks, np.random.default_rng(seed))
    costs = COSTS * has_costs
    by_name = dict(zip(SPACE.operators, costs.tolist(), strict=True))
    expected = [features_by_hand(cell, by_name, 6) for cell in SPACE.decode(cells_NB4)]
    actual = time_features(cells_NB4, costs, np.full(4, 6))
    np.testing.assert_allclose(actual, expected, atol=1e-10)


def test_time_features_of_equivalent_cells_are_equal_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    cells_NB4 = SPACE.random_cells(500, 5, rng)
    costs, stacked = rng.random(3), np.full(500, 6)
    canonical = time_features(bulk.canonicalize(cells_NB4), costs, stacked)
    np.testing.assert_array_equal(time_features(cells_NB4, costs, stacked), canonical)


def test_time_features_do_not_depend_on_padding_or_chunks() -> None:
    cells_NB4 = SPACE.random_cells(20_000, 5, np.random.default_rng(0))
    padded = np.concatenate([cells_NB4, np.broadcast_to([0, -1, 0, -1], (20_000, 1, 4))], axis=1)
    stacked = np.arange(20_000)
    features = time_features(padded, COSTS, stacked)
    np.testing.assert_array_equal(features, time_features(cells_NB4, COSTS, stacked))
    np.testing.assert_array_equal(
        features[19_000:], time_features(cells_NB4[19_000:], COSTS, stacked[19_000:])
    )


def test_an_operator_counts_once_however_many_ways_lead_to_it() -> None:
    cell = Cell.parse("[(-1, a, -1, a);(0, a, 0, a);(1, a, 1, a)]")
    space = SearchSpace(["a"], 3, 1)
    features = time_features(space.encode([cell]), np.array([1.0]), np.array([8]))[0]
    assert dict(zip(TIME_FEATURES, features, strict=True))["heaviest_path_share"] == 5 / 6


def test_operator_costs_are_differences_from_the_empty_cell() -> None:
    costs = operator_costs({"a": 14.0, "b": 30.0, "c": 9.0}, 10.0, ["a", "b", "c"])
    assert costs == pytest.approx({"a": 0.2, "b": 1.0, "c": 0.05})


def test_an_operator_that_failed_costs_as_much_as_the_dearest() -> None:
    costs = operator_costs({"a": 14.0, "b": None, "c": 12.0}, 10.0, ["a", "b", "c", "d"])
    assert costs == {"a": 1.0, "b": 1.0, "c": 0.5, "d": 1.0}
    assert operator_costs({"a": 14.0, "b": float("nan")}, 10.0, ["a", "b"]) == {"a": 1.0, "b": 1.0}


def test_a_failed_empty_cell_counts_as_no_time() -> None:
    assert operator_costs({"a": 5.0, "b": 10.0}, None, ["a", "b"]) == {"a": 0.5, "b": 1.0}


@pytest.mark.parametrize("times", [{}, {"a": None, "b": None}, {"a": 3.0, "b": 3.0}])
def test_without_any_difference_costs_are_zero(times: dict[str, float | None]) -> None:
    assert operator_costs(times, 3.0, ["a", "b"]) == {"a": 0.0, "b": 0.0}


def test_score_features_of_a_cell() -> None:
    space = SearchSpace(["a", "b"], 3, 2)
    cells_NB4 = space.encode([Cell.parse("[(-1, a, -1, b);(-2, b, 0, a)]"), Cell(())])
    table = score_features(cells_NB4, np.array([8, 8]), space)
    names = score_feature_names(space)
    assert table.shape == (2, len(names))
    filled = {name: value for name, value in zip(names, table[0].tolist(), strict=True) if value}
    assert filled == {
        "blocks": 2,
        "cells_stacked": 8,
        "operator 0 of block 0 is a": 1,
        "operator 1 of block 0 is b": 1,
        "operator 0 of block 1 is b": 1,
        "operator 1 of block 1 is a": 1,
        "uses lookback -1": 1,
        "uses lookback -2": 1,
        "lookback -1 feeds block 0": 2,
        "lookback -2 feeds block 1": 1,
        "block 0 feeds block 1": 1,
    }
    assert not table[1].any()
