from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from popnas.report import statistics
from popnas.report.statistics import SeedNoise

VALUES = st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=30)


@given(VALUES)
@settings(deadline=None)
def test_correlations_agree_with_scipy(values: list[float]) -> None:
    x = np.array(values)
    y = np.roll(x, 1) + np.arange(len(x)) % 3
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert statistics.pearson(x, y) is None and statistics.spearman(x, y) is None
        return
    assert statistics.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert statistics.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


def test_errors() -> None:
    real, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.1, 1.8, 4.0])
    assert statistics.mape(real, predicted) == pytest.approx(20 / 3)
    assert statistics.r2(real, predicted) == pytest.approx(1 - 0.05 / (14 / 3))
    assert statistics.r2(real, real) == 1
    assert statistics.mape(np.zeros(3), predicted) is None
    assert statistics.r2(np.ones(3), predicted) is None


@pytest.mark.parametrize("degrees", [1, 2, 5, 12, 30, 31, 45, 200])
def test_quantiles_are_students(degrees: int) -> None:
    assert statistics._t_95(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), abs=0.004)


def test_noise_is_pooled_over_cells() -> None:
    groups = [[0.90, 0.92, 0.94], [0.80, 0.80, 0.80]]
    noise = SeedNoise.of(groups)
    assert noise.degrees == 4
    assert noise.deviation == pytest.approx((0.0008 / 4) ** 0.5)
    found = noise.difference(*groups)
    assert found.mean == pytest.approx(0.12)
    # As ordinary least squares gives it for two groups.
    assert found.half == pytest.approx(2.776 * noise.deviation * (2 / 3) ** 0.5)
    assert noise.interval(groups[0]).mean == pytest.approx(0.92)


def test_nothing_is_known_of_noise_without_repetitions() -> None:
    noise = SeedNoise.of([[0.9], [0.8]])
    assert noise.difference([0.9], [0.8]).half is None
    assert str(noise.interval([0.9])) == "0.9000"


@pytest.mark.parametrize("size", [3, 6])
def test_intervals_cover_the_truth_as_often_as_they_say(size: int) -> None:
    rng = np.random.default_rng(size)
    hits = 0
    for _ in range(2000):
        groups = rng.normal(0.9, 0.01, (size, 3)).tolist()
        found = SeedNoise.of(groups).difference(groups[0], groups[1])
        assert found.half is not None
        hits += abs(found.mean) <= found.half
    assert 0.935 < hits / 2000 < 0.965
