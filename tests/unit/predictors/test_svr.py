from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.svm import SVR

from popnas.cells import SearchSpace, bulk
from popnas.predictors import PredictorContext, svr
from popnas.predictors._cross_validation import figures, folds
from popnas.predictors.features import time_features
from popnas.predictors.svr import SvrPredictor

SPACE = SearchSpace(["a", "b", "c", "d"], 4, 2)
COSTS = np.array([0.05, 0.2, 0.5, 1.0])


def stacked(cells_NB4: np.ndarray) -> np.ndarray:
    return np.where(bulk.nearest_lookback(cells_NB4) == -1, 8, 4)


def seconds(cells_NB4: np.ndarray) -> np.ndarray:
    """A time such as networks take: something fixed, and a sum over the operators of all stacked cells."""
    features = time_features(cells_NB4, COSTS, stacked(cells_NB4))
    return 4 + features[:, 1] * (0.5 * features[:, 2] + 0.1 * features[:, 7])


def fitted(cells_NB4: np.ndarray, noise: float = 0.0) -> SvrPredictor:
    predictor = SvrPredictor(PredictorContext(SPACE, stacked, COSTS))
    factor = np.exp(np.random.default_rng(5).normal(0, noise, len(cells_NB4)))
    predictor.fit(cells_NB4, seconds(cells_NB4) * factor, seed=0)
    return predictor


def steps(num_per_step: list[int]) -> np.ndarray:
    """Cells of 1, 2, ... blocks in one array."""
    rng = np.random.default_rng(0)
    cells_NB4 = np.empty((sum(num_per_step), len(num_per_step), 4), dtype=np.int16)
    cells_NB4[:] = (0, -1, 0, -1)
    start = 0
    for step, count in enumerate(num_per_step, start=1):
        cells_NB4[start : start + count, :step] = SPACE.random_cells(count, step, rng)
        start += count
    return cells_NB4


def test_predicts_times_of_larger_cells() -> None:
    predictor = fitted(steps([30, 40, 40]), noise=0.03)
    larger_NB4 = SPACE.random_cells(300, 4, np.random.default_rng(9))
    relative = np.abs(predictor.predict(larger_NB4).mean / seconds(larger_NB4) - 1)
    assert relative.mean() < 0.15


def test_agrees_with_libsvm() -> None:
    cells_NB4 = steps([30, 40])
    predictor = fitted(cells_NB4)
    features = (predictor._features(cells_NB4) - predictor._offset_F) / predictor._scale_F
    scaled = (seconds(cells_NB4) - predictor._offset) / predictor._scale
    report = predictor.fit(cells_NB4, seconds(cells_NB4), seed=0).hyperparameters
    machine = SVR(gamma=report["gamma"], C=report["C"], epsilon=report["epsilon"]).fit(features, scaled)
    expected = machine.predict(features) * predictor._scale + predictor._offset
    np.testing.assert_allclose(predictor.predict(cells_NB4).mean, expected, rtol=0.02)


def test_no_cell_is_thought_faster_than_the_fastest_measured() -> None:
    cells_NB4 = steps([0, 0, 60])
    predictor = fitted(cells_NB4)
    smaller = predictor.predict(np.concatenate([steps([50]), np.full((1, 1, 4), [0, -1, 0, -1])])).mean
    assert (smaller >= seconds(cells_NB4).min()).all()


def test_the_largest_cells_are_held_out_together() -> None:
    cells_NB4 = steps([12, 8])
    splits = svr._splits(cells_NB4, seed=0)
    held_out, weight = splits[-1]
    assert held_out.tolist() == [False] * 12 + [True] * 8
    assert weight == 1.0
    np.testing.assert_array_equal(np.sum([mask for mask, _ in splits[:-1]], axis=0), 1)
    assert sum(weight for _, weight in splits[:-1]) == pytest.approx(1.0)


@pytest.mark.parametrize("num_per_step", [[20], [9, 20]])
def test_with_few_smaller_cells_only_random_folds_are_held_out(num_per_step: list[int]) -> None:
    assert len(svr._splits(steps(num_per_step), seed=0)) == 5


def test_folds_differ_in_size_by_one_at_most() -> None:
    counts = np.bincount(folds(23, 5, np.random.default_rng(0)), minlength=5)
    assert counts.min() >= 4
    assert counts.max() <= 5


def test_figures_of_a_perfect_and_of_a_reversed_prediction() -> None:
    targets = np.array([1.0, 2.0, 3.0, 4.0])
    assert figures(targets, targets) == pytest.approx({"mape": 0.0, "spearman": 1.0, "r2": 1.0})
    reversed_ = figures(targets[::-1], targets)
    assert reversed_["spearman"] == pytest.approx(-1.0)
    assert reversed_["r2"] == pytest.approx(-3.0)
    assert reversed_["mape"] == pytest.approx(100 * (3 + 1 / 2 + 1 / 3 + 3 / 4) / 4)


def test_figures_that_are_undefined_are_none() -> None:
    assert figures(np.ones(3), np.array([0.0, 0.0, 0.0])) == {"mape": None, "spearman": None, "r2": None}


def test_equal_predictions_share_their_rank() -> None:
    predicted, targets = np.array([0.3, 0.1, 0.3, 0.2]), np.array([4.0, 1.0, 2.0, 2.0])
    expected = spearmanr(predicted, targets)[0]
    assert figures(predicted, targets)["spearman"] == pytest.approx(expected)
