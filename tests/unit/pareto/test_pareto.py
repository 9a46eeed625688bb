"""Front and hypervolume against their definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas import pareto


@st.composite
def points(draw, max_points=25, max_objectives=4):
    """Points on a coarse grid, so that ties in some and in all objectives are frequent; and directions."""
    num_objectives = draw(st.integers(1, max_objectives))
    rows = draw(
        st.lists(
            st.lists(st.integers(-3, 3), min_size=num_objectives, max_size=num_objectives),
            max_size=max_points,
        )
    )
    maximize = draw(st.lists(st.booleans(), min_size=num_objectives, max_size=num_objectives))
    return np.array(rows, dtype=np.float64).reshape(-1, num_objectives), maximize


def dominates(first, second, maximize):
    signs = np.where(maximize, -1, 1)
    return bool((signs * first <= signs * second).all() and (signs * first < signs * second).any())


@given(points())
def test_front_is_the_definition(drawn):
    values, maximize = drawn
    expected = [
        not any(dominates(other, value, maximize) for other in values)
        and not any((other == value).all() for other in values[:index])
        for index, value in enumerate(values)
    ]
    assert pareto.front(values, maximize).tolist() == expected


@given(points(), st.randoms())
def test_front_does_not_depend_on_the_order(drawn, random):
    values, maximize = drawn
    order = list(range(len(values)))
    random.shuffle(order)
    front = {tuple(row) for row in values[pareto.front(values, maximize)]}
    assert {tuple(row) for row in values[order][pareto.front(values[order], maximize)]} == front


def test_front_of_many_correlated_points():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3000, 1)) * [1, 1, 1] + rng.normal(size=(3000, 3)) * 0.2
    maximize = [True, False, False]
    mask = pareto.front(values, maximize)
    chosen = values[mask]
    assert not any(dominates(first, second, maximize) for first, second in itertools.permutations(chosen, 2))
    assert all(any(dominates(first, value, maximize) for first in chosen) for value in values[~mask])


def test_negative_zero_equals_zero():
    assert pareto.front(np.array([[0.0, 1.0], [-0.0, 1.0]]), [True, False]).tolist() == [True, False]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(wrong):
    values = np.array([[1.0, 2.0], [wrong, 3.0]])
    for call in (
        lambda: pareto.front(values, [True, False]),
        lambda: pareto.hypervolume(values, [True, False], np.array([0.0, 9.0])),
        lambda: pareto.normalized_hypervolume([values], [True, False]),
    ):
        with pytest.raises(ValueError, match="finite"):
            call()


def test_shape_must_match_the_directions():
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        pareto.front(np.zeros((4, 2)), [True, False, False])


@given(points(max_points=6, max_objectives=3), st.integers(-2, 4))
def test_hypervolume_counts_unit_cubes(drawn, corner):
    values, maximize = drawn
    signs = np.where(maximize, -1, 1)
    costs = signs * values
    cubes = itertools.product(range(-4, 5), repeat=len(maximize))
    expected = sum(
        any((cost <= cube).all() for cost in costs) and all(side < corner for side in cube) for cube in cubes
    )
    volume = pareto.hypervolume(values, maximize, signs * float(corner) * np.ones(len(maximize)))
    assert volume == pytest.approx(expected)


def test_normalized_hypervolume():
    first = np.array([[0.9, 10.0], [0.5, 0.0]])
    second = np.array([[0.7, 5.0]])
    # Scaled: score 0.5..0.9 and time 0..10, the corner at score 0.5 and time 10.
    assert pareto.normalized_hypervolume([first, second], [True, False]) == pytest.approx([0.0, 0.25])
    with_both = np.concatenate([first, second])
    assert pareto.normalized_hypervolume([with_both], [True, False]) == pytest.approx([0.25])


@given(points(max_objectives=3), st.floats(0.1, 100), st.floats(-100, 100))
def test_normalized_hypervolume_does_not_depend_on_the_unit(drawn, scale, offset):
    values, maximize = drawn
    halves = [values[::2], values[1::2]]
    expected = pareto.normalized_hypervolume(halves, maximize)
    assert all(0 <= volume <= 1 for volume in expected)
    scaled = pareto.normalized_hypervolume([half * scale + offset for half in halves], maximize)
    assert scaled == pytest.approx(expected, abs=1e-6)


def test_normalized_hypervolume_of_nothing_and_of_one_point():
    assert pareto.normalized_hypervolume([], [True]) == []
    assert pareto.normalized_hypervolume([np.zeros((0, 2))], [True, False]) == [0.0]
    assert pareto.normalized_hypervolume([np.ones((1, 2)), np.zeros((0, 2))], [True, False]) == [1.0, 0.0]


def test_import_of_the_module_does_not_load_moocore():
    import subprocess
    import sys

    code = "import sys, popnas.pareto, popnas.strategy; print({'moocore', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
