"""Linear regressions: ridge, and least squares with weights of at least 0 (times)."""

from __future__ import annotations

import numpy as np

from popnas.predictors._base import REGISTRY
from popnas.predictors.tabular._tables import (
    Linear,
    Regression,
    ScoreTablePredictor,
    TablePredictor,
    TimeTablePredictor,
)

_PENALTIES = np.logspace(-2, 4, 19)


class _Ridge(TablePredictor):
    """Least squares with a penalty that is chosen by leaving one out."""

    def learn(self, table_NF: np.ndarray, targets_N: np.ndarray, seed: int) -> Regression:
        """See `TablePredictor`."""
        from sklearn.linear_model import RidgeCV

        offset_F, scale_F = _scaling(table_NF)
        machine = RidgeCV(_PENALTIES).fit((table_NF - offset_F) / scale_F, targets_N)
        weights_F = machine.coef_ / scale_F
        return Linear(weights_F, float(machine.intercept_ - offset_F @ weights_F))


@REGISTRY.register("ridge", description="ridge regression on tabular features (score)")
class RidgeScorePredictor(_Ridge, ScoreTablePredictor):
    """Of the score."""


@REGISTRY.register("ridge_time", description="ridge regression on nine features (time)")
class RidgeTimePredictor(_Ridge, TimeTablePredictor):
    """Of seconds."""


@REGISTRY.register("nnls_time", description="least squares with no weight below 0 on nine features (time)")
class NnlsTimePredictor(TimeTablePredictor):
    """What takes time only adds to it (Lawson and Hanson, 1974)."""

    def learn(self, table_NF: np.ndarray, targets_N: np.ndarray, seed: int) -> Regression:
        """See `TablePredictor`."""
        from scipy.optimize import nnls

        _, scale_F = _scaling(table_NF)
        # What is left of the mean may be of either sign.
        scaled = np.column_stack([table_NF / scale_F, np.ones(len(table_NF)), -np.ones(len(table_NF))])
        weights, _ = nnls(scaled, targets_N)
        return Linear(weights[:-2] / scale_F, float(weights[-2] - weights[-1]))


def _scaling(table_NF: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale_F = table_NF.std(axis=0)
    return table_NF.mean(axis=0), np.where(scale_F > 1e-12 * np.abs(table_NF).max(axis=0), scale_F, 1.0)
