"""What every registered predictor promises, whatever it is made of."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest

from popnas.cells import SearchSpace, bulk
from popnas.errors import PredictorError
from popnas.predictors import MIN_TARGETS, REGISTRY, Predictor, PredictorContext, names_of
from popnas.predictors.neural import _training
from popnas.workflows.settings import load_config

SPACE = SearchSpace(["1x1 conv", "2x2 maxpool", "3x3 conv", "identity"], 4, 2)
COSTS = np.array([0.4, 0.1, 1.0, 0.02])
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            (library := kind.library) is not None and find_spec(library) is None,
            reason=f'needs {library}: pip install "popnas[predictors]"',
        ),
    )
    for name, kind in REGISTRY.items()
]


@pytest.fixture(scope="module", autouse=True)
def _short_trainings() -> Iterator[None]:
    """What is promised holds after fewer epochs of the networks, too; all of them take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_training, "EnsembleSettings", functools.partial(_training.EnsembleSettings, epochs=25))
        yield


def stacked(cells_NB4: np.ndarray) -> np.ndarray:
    return np.where(bulk.nearest_lookback(cells_NB4) == -1, 8, 4)


def make(name: str) -> Predictor:
    return REGISTRY.get(name)(PredictorContext(SPACE, stacked, COSTS))


def targets(cells_NB4: np.ndarray) -> np.ndarray:
    """Made up, between 0 and 1, and learnable: good operators and more of them."""
    padded = np.append(COSTS, 0.0)[cells_NB4[:, :, 1::2]].sum(axis=(1, 2))
    return 0.5 + 0.4 * padded / 8


def mixed_cells(num_cells: int, seed: int) -> np.ndarray:
    """Cells of 0 to 3 blocks in an array of 3."""
    rng = np.random.default_rng(seed)
    cells_NB4 = SPACE.random_cells(num_cells, 3, rng)
    lengths_N = rng.integers(0, 4, num_cells)
    cells_NB4[np.arange(3) >= lengths_N[:, None]] = (0, -1, 0, -1)
    return cells_NB4


@pytest.fixture(scope="module", params=NAMES)
def fitted(request: pytest.FixtureRequest) -> Predictor:
    predictor = make(request.param)
    cells_NB4 = mixed_cells(60, seed=1)
    predictor.fit(cells_NB4, targets(cells_NB4), seed=3)
    return predictor


@pytest.fixture(scope="module")
def expansion() -> bulk.Expansion:
    parents = bulk.canonicalize(SPACE.random_cells(6, 3, np.random.default_rng(5)))
    return bulk.expand(parents[bulk.unique(parents)], SPACE)


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_can_choose_it(name: str) -> None:
    objective = REGISTRY.get(name).objective
    assert name in names_of(objective)
    document = {
        "dataset": {"type": "image_classification", "name": "digits"},
        "others": {"predictors": {objective: name}},
    }
    assert getattr(load_config(document).others.predictors, objective) == name


@pytest.mark.parametrize("name", NAMES)
def test_reports_its_fit_in_plain_json(name: str) -> None:
    cells_NB4 = mixed_cells(40, seed=1)
    report = make(name).fit(cells_NB4, targets(cells_NB4), seed=3)
    content = json.loads(json.dumps(dataclasses.asdict(report), allow_nan=False))
    assert content["hyperparameters"]
    assert set(content["cross_validation"]) == {"mape", "spearman", "r2"}
    assert content["cross_validation"]["spearman"] > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_learns_to_rank_larger_cells(name: str) -> None:
    cells_NB4 = mixed_cells(100, seed=1)
    predictor = make(name)
    predictor.fit(cells_NB4, targets(cells_NB4), seed=3)
    unseen_NB4 = SPACE.random_cells(200, 4, np.random.default_rng(7))
    predicted_N = predictor.predict(unseen_NB4).mean
    ranks = [np.argsort(np.argsort(values)) for values in (predicted_N, targets(unseen_NB4))]
    assert np.corrcoef(*ranks)[0, 1] > 0.6


def test_predicts_a_finite_number_per_cell(fitted: Predictor) -> None:
    cells_NB4 = mixed_cells(300, seed=2)
    prediction = fitted.predict(cells_NB4)
    assert prediction.mean.shape == (300,)
    assert prediction.mean.dtype == np.float64
    assert np.isfinite(prediction.mean).all()
    assert fitted.objective != "time" or (prediction.mean >= 0).all()
    if prediction.spread is not None:
        assert prediction.spread.shape == (300,)
        assert (prediction.spread >= 0).all()


def test_predicts_no_cell_at_all(fitted: Predictor) -> None:
    assert fitted.predict(np.empty((0, 2, 4), dtype=np.int16)).mean.shape == (0,)


def test_a_cell_alone_is_predicted_as_in_a_batch_of_a_thousand(fitted: Predictor) -> None:
    cells_NB4 = mixed_cells(1000, seed=2)
    together_N = fitted.predict(cells_NB4).mean
    for row in [*range(0, 1000, 53), 997, 998, 999]:
        assert fitted.predict(cells_NB4[row : row + 1]).mean[0] == together_N[row]


def test_a_cell_is_predicted_alike_wherever_it_stands(fitted: Predictor) -> None:
    cells_NB4 = mixed_cells(1000, seed=2)
    together_N = fitted.predict(cells_NB4).mean
    order = np.random.default_rng(0).permutation(1000)
    np.testing.assert_array_equal(fitted.predict(cells_NB4[order]).mean, together_N[order])
    np.testing.assert_array_equal(fitted.predict(cells_NB4[:517]).mean, together_N[:517])


def test_padding_changes_nothing(fitted: Predictor) -> None:
    cells_NB4 = SPACE.random_cells(50, 2, np.random.default_rng(4))
    padded = np.concatenate([cells_NB4, np.broadcast_to([0, -1, 0, -1], (50, 2, 4)).astype(np.int16)], axis=1)
    np.testing.assert_array_equal(fitted.predict(cells_NB4).mean, fitted.predict(padded).mean)


def test_the_order_of_blocks_and_halves_changes_nothing(fitted: Predictor, expansion: bulk.Expansion) -> None:
    np.testing.assert_array_equal(
        fitted.predict(expansion.cells).mean, fitted.predict(expansion.canonical).mean
    )
    swapped = expansion.cells[:, :, [2, 3, 0, 1]]
    np.testing.assert_array_equal(fitted.predict(expansion.cells).mean, fitted.predict(swapped).mean)


def test_the_hint_of_common_parents_changes_nothing(fitted: Predictor, expansion: bulk.Expansion) -> None:
    hinted = fitted.predict(expansion.cells, parents=expansion.parent)
    unaware = fitted.predict(expansion.cells)
    np.testing.assert_array_equal(hinted.mean, unaware.mean)
    if hinted.spread is not None:
        np.testing.assert_array_equal(hinted.spread, unaware.spread)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_predictor(name: str) -> None:
    cells_NB4, unseen_NB4 = mixed_cells(30, seed=1), mixed_cells(40, seed=9)
    first, second = make(name), make(name)
    reports = [predictor.fit(cells_NB4, targets(cells_NB4), seed=3) for predictor in (first, second)]
    assert reports[0] == reports[1]
    np.testing.assert_array_equal(first.predict(unseen_NB4).mean, second.predict(unseen_NB4).mean)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_forgets_the_one_before(name: str) -> None:
    cells_NB4, unseen_NB4 = mixed_cells(30, seed=1), mixed_cells(40, seed=9)
    fresh, used = make(name), make(name)
    used.fit(mixed_cells(20, seed=8), np.linspace(1, 2, 20), seed=1)
    for predictor in (fresh, used):
        predictor.fit(cells_NB4, targets(cells_NB4), seed=3)
    np.testing.assert_array_equal(fresh.predict(unseen_NB4).mean, used.predict(unseen_NB4).mean)


@pytest.mark.parametrize("name", NAMES)
def test_three_cells_are_enough(name: str) -> None:
    cells_NB4 = SPACE.random_cells(MIN_TARGETS, 1, np.random.default_rng(0))
    predictor = make(name)
    predictor.fit(cells_NB4, np.array([0.3, 0.5, 0.4]), seed=0)
    predicted_N = predictor.predict(mixed_cells(50, seed=1)).mean
    assert np.isfinite(predicted_N).all()
    assert predictor.objective != "time" or (predicted_N >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_targets_are_predicted_as_they_are(name: str) -> None:
    cells_NB4 = mixed_cells(20, seed=1)
    predictor = make(name)
    predictor.fit(cells_NB4, np.full(20, 0.7), seed=0)
    np.testing.assert_allclose(predictor.predict(mixed_cells(50, seed=2)).mean, 0.7, atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_an_outlier_does_not_spoil_the_order(name: str) -> None:
    cells_NB4 = mixed_cells(80, seed=1)
    values_N = targets(cells_NB4)
    values_N[7] *= 0.01 if make(name).objective == "score" else 100
    predictor = make(name)
    predictor.fit(cells_NB4, values_N, seed=0)
    unseen_NB4 = SPACE.random_cells(100, 3, np.random.default_rng(7))
    ranks = [np.argsort(np.argsort(v)) for v in (predictor.predict(unseen_NB4).mean, targets(unseen_NB4))]
    assert np.corrcoef(*ranks)[0, 1] > 0.6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_refuses_targets_that_are_no_numbers(name: str, wrong: float) -> None:
    cells_NB4 = mixed_cells(10, seed=1)
    values_N = targets(cells_NB4)
    values_N[4] = wrong
    with pytest.raises(PredictorError, match=r"must be finite numbers\. Got (nan|inf) for \["):
        make(name).fit(cells_NB4, values_N, seed=0)


@pytest.mark.parametrize("name", NAMES)
def test_refuses_too_few_targets_and_too_many(name: str) -> None:
    cells_NB4 = mixed_cells(10, seed=1)
    with pytest.raises(PredictorError, match=r"at least 3 evaluated cells\. Got 2"):
        make(name).fit(cells_NB4[:2], np.array([0.1, 0.2]), seed=0)
    with pytest.raises(PredictorError, match="as many targets"):
        make(name).fit(cells_NB4, np.full(9, 0.5), seed=0)


@pytest.mark.parametrize("name", NAMES)
def test_refuses_to_predict_before_it_is_fitted(name: str) -> None:
    with pytest.raises(PredictorError, match="must be fitted"):
        make(name).predict(mixed_cells(3, seed=0))
