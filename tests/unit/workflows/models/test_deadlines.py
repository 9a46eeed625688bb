"""How trainings share what is left of the time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.cells import Cell
from popnas.networks import NetworkSpec
from popnas.workflows.models.timing import deadlines


def test_one_after_the_other_each_gets_as_much_as_it_costs():
    assert deadlines.parts([1, 1, 2], workers=1) == pytest.approx([1 / 4, 1 / 3, 1.0])
    assert deadlines.parts([1, 1], workers=1, then=2) == pytest.approx([1 / 4, 1 / 3])


def test_what_costs_nothing_leaves_all_to_the_others():
    assert deadlines.parts([0, 3], workers=1) == [0.0, 1.0]
    assert deadlines.parts([0], workers=2) == [1.0]
    assert deadlines.parts([], workers=2) == []


def test_a_long_one_beside_short_ones():
    assert deadlines.parts([4, 1, 1, 1], workers=2) == pytest.approx([1.0, 1 / 4, 1 / 3, 1 / 2])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 4), st.integers(0, 30))
def test_taken_as_told_all_get_equal_shares_of_their_costs_and_the_time_suffices(costs, workers, then):
    shares = deadlines.parts(costs, workers, then)
    assert all(0.0 <= share <= 1.0 for share in shares)
    free, spent = [0.0] * workers, []
    for cost, share in zip(costs, shares, strict=True):
        begun = min(free)
        spent.append((1.0 - begun) * share)
        free[free.index(begun)] = begun + spent[-1]
        if cost and then == 0:
            assert spent[-1] > 0
    assert max(free) <= 1.0 + 1e-9
    rates = [seconds / cost for seconds, cost in zip(spent, costs, strict=True) if cost]
    assert rates == pytest.approx([rates[0]] * len(rates)) if rates else True


def test_a_part_of_what_is_left(monkeypatch):
    monkeypatch.setattr(deadlines.time, "monotonic", lambda: 100.0)
    assert deadlines.until(None, 0.5) is None
    assert deadlines.until(140.0, 0.25) == 110.0
    assert deadlines.until(90.0, 0.25) == 100.0


def test_a_small_network_gets_time_for_its_steps_and_a_fitted_one_needs_none():
    spec = NetworkSpec("classification", (8, 8, 1), 10, filters=3, motifs=2)
    small, large = Cell.parse("[(-1, identity, -1, identity)]"), Cell.parse("[(-1, 3x3 conv, -1, 5x5 conv)]")
    ratio = deadlines.cost(large, spec, 32) / deadlines.cost(small, spec, 32)
    assert 1 < ratio < 3  # by FLOPs alone more than ten
    fitted = NetworkSpec("random_kernels", (40, 1), 2, filters=5)
    assert deadlines.cost(Cell(()), fitted, 32) == 0
