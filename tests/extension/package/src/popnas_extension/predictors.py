"""`linear_score` and `linear_time`: ridge regressions on how often a cell uses each operator."""

from __future__ import annotations

import numpy as np

from popnas.predictors import (
    REGISTRY,
    FitReport,
    Prediction,
    Predictor,
    PredictorContext,
    ScorePredictor,
    TimePredictor,
    folds,
    out_of_fold_figures,
)

_RIDGE = 1e-3
_NUM_FOLDS = 3


class _Linear(Predictor):
    """Weights of the counts and an offset."""

    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self._weights = np.zeros(context.space.num_operators + 1)

    def _counts(self, cells_NB4: np.ndarray) -> np.ndarray:
        operators_NB2 = cells_NB4[:, :, 1::2]
        counts = [(operators_NB2 == index).sum(axis=(1, 2)) for index in range(self.space.num_operators)]
        return np.column_stack([*counts, np.ones(len(cells_NB4))]).astype(np.float64)

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        x = self._counts(cells_NB4)
        fold_N = folds(len(x), _NUM_FOLDS, np.random.default_rng(seed))
        held_out_N = np.empty(len(x))
        for fold in range(_NUM_FOLDS):
            is_out = fold_N == fold
            held_out_N[is_out] = x[is_out] @ _solved(x[~is_out], targets_N[~is_out])
        self._weights = _solved(x, targets_N)
        return FitReport({"ridge": _RIDGE}, cross_validation=out_of_fold_figures(held_out_N, targets_N))

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        return Prediction(self._counts(cells_NB4) @ self._weights)


def _solved(x: np.ndarray, targets_N: np.ndarray) -> np.ndarray:
    return np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ targets_N)


@REGISTRY.register("linear_score", description="a ridge regression of the score on counts of operators")
class LinearScore(_Linear, ScorePredictor):
    """See the module."""


@REGISTRY.register("linear_time", description="a ridge regression of times on counts of operators")
class LinearTime(_Linear, TimePredictor):
    """See the module."""
