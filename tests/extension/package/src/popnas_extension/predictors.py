"""`linear_score` and `linear_time`: ridge regressions on how often a cell uses each operator."""

from __future__ import annotations

import numpy as np

from popnas.predictors import REGISTRY, FitReport, Prediction, PredictorContext, ScorePredictor, TimePredictor


class _Linear:
    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self._weights: np.ndarray | None = None

    def _counts(self, cells_NB4: np.ndarray) -> np.ndarray:
        operators_NH = cells_NB4[:, :, 1::2].reshape(len(cells_NB4), -1)
        counts = [(operators_NH == index).sum(axis=1) for index in range(self.context.space.num_operators)]
        return np.column_stack([*counts, np.ones(len(cells_NB4))]).astype(np.float64)

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        x = self._counts(cells_NB4)
        self._weights = np.linalg.solve(x.T @ x + 1e-3 * np.eye(x.shape[1]), x.T @ targets_N)
        return FitReport(hyperparameters={"ridge": 1e-3})

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        return Prediction(self._counts(cells_NB4) @ self._weights)


@REGISTRY.register("linear_score", description="a ridge regression of the score on counts of operators")
class LinearScore(_Linear, ScorePredictor):
    """See the module."""


@REGISTRY.register("linear_time", description="a ridge regression of times on counts of operators")
class LinearTime(_Linear, TimePredictor):
    """See the module."""
