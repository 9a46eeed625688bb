"""What predictors share that hand a table to a regression: features, equivalent cells, figures of the fit."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from popnas.cells import bulk
from popnas.predictors._base import (
    FitReport,
    Prediction,
    Predictor,
    PredictorContext,
    ScorePredictor,
    TimePredictor,
)
from popnas.predictors._cross_validation import figures, folds
from popnas.predictors.features import score_features, time_features
from popnas.predictors.tabular.equivalents import equivalents

_NUM_FOLDS = 5
_EQUIVALENTS = 3
_CHUNK = 16384
_FENCE = 4.0  # interquartile ranges beyond the quartiles: times of grown cells lie further out than scores


class Regression(Protocol):
    """What was learnt: (N, F) float64 to (N,), each row as it would be alone."""

    def predict(self, table_NF: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Linear:
    """A sum of columns: `weights` (F,), `intercept`."""

    weights: np.ndarray
    intercept: float

    def predict(self, table_NF: np.ndarray) -> np.ndarray:
        """See `Regression`; added up in their order, as a matrix product may give a row other last bits
        beside other rows."""
        total_N = np.full(len(table_NF), self.intercept)
        for column in np.flatnonzero(self.weights):
            total_N += table_NF[:, column] * self.weights[column]
        return total_N


class Explained(Predictor):
    """A predictor of a table, which can be asked by which columns it goes."""

    @abstractmethod
    def table(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N, F), the same for equivalent cells."""

    @abstractmethod
    def feature_names(self) -> list[str]:
        """The columns of `table`."""

    @abstractmethod
    def predict_table(self, table_NF: np.ndarray) -> np.ndarray:
        """(N,) for rows as `table` makes them."""


class TablePredictor(Explained):
    """Learns from a row of numbers per cell. Targets are handed on with mean 0 and deviation 1."""

    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self._learnt: Regression | None = None

    @abstractmethod
    def learn(self, table_NF: np.ndarray, targets_N: np.ndarray, seed: int) -> Regression:
        """The regression of this predictor."""

    def more_rows(self, cells_NB4: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rows to learn from, (R, F), and which cell each is of, (R,)."""
        return self.table(cells_NB4), np.arange(len(cells_NB4))

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        rng = np.random.default_rng(seed)
        kept_N = fenced(targets_N)
        self._offset, self._scale = float(kept_N.mean()), float(kept_N.std())
        self._shortest = max(float(targets_N.min()), 0.0)
        if self._scale < 1e-12 * abs(self._offset) + 1e-300:
            self._scale = 0.0
        scaled_N = (kept_N - self._offset) / (self._scale or 1.0)
        rows_RF, cell_R = self.more_rows(cells_NB4, rng)
        table_NF = self.table(cells_NB4)
        fold_N = folds(len(targets_N), min(_NUM_FOLDS, len(targets_N)), rng)
        held_out_N = np.empty(len(targets_N))
        for fold in range(fold_N.max() + 1):
            is_seen_R = fold_N[cell_R] != fold
            learnt = self.learn(rows_RF[is_seen_R], scaled_N[cell_R[is_seen_R]], seed)
            held_out_N[fold_N == fold] = learnt.predict(table_NF[fold_N == fold])
        self._learnt = self.learn(rows_RF, scaled_N[cell_R], seed)
        return FitReport(
            hyperparameters={"features": table_NF.shape[1], "rows": len(rows_RF), **self.settings()},
            cross_validation=figures(self._unscaled(held_out_N), targets_N),
        )

    def settings(self) -> dict[str, float | str]:
        """What the fit tells of how it learns."""
        return {}

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        values_N = np.empty(len(cells_NB4))
        for start in range(0, len(cells_NB4), _CHUNK):
            rows = slice(start, start + _CHUNK)
            values_N[rows] = self.predict_table(self.table(cells_NB4[rows]))
        return Prediction(values_N)

    def predict_table(self, table_NF: np.ndarray) -> np.ndarray:
        """See `Explained`."""
        assert self._learnt is not None
        return self._unscaled(self._learnt.predict(table_NF))

    def _unscaled(self, values_N: np.ndarray) -> np.ndarray:
        return np.asarray(values_N * self._scale + self._offset)


class ScoreTablePredictor(TablePredictor, ScorePredictor):
    """Learns the score from the tabular features of docs/search.md, and from equivalent forms of cells."""

    def table(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `TablePredictor`: of the canonical forms."""
        return self._features(bulk.canonicalize(cells_NB4))

    def feature_names(self) -> list[str]:
        """See `TablePredictor`."""
        from popnas.predictors.features import score_feature_names

        return score_feature_names(self.space)

    def _features(self, cells_NB4: np.ndarray) -> np.ndarray:
        stacked_N = self.context.cells_stacked(cells_NB4)
        return score_features(cells_NB4, stacked_N, self.space).astype(np.float64)

    def more_rows(self, cells_NB4: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """See `TablePredictor`."""
        forms = [bulk.canonicalize(cells_NB4), *(equivalents(cells_NB4, rng) for _ in range(_EQUIVALENTS))]
        rows = np.concatenate([self._features(form) for form in forms])
        return rows, np.tile(np.arange(len(cells_NB4)), len(forms))


class TimeTablePredictor(TablePredictor, TimePredictor):
    """Learns seconds from the nine time features; predicts none below the shortest known."""

    def table(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `TablePredictor`."""
        return time_features(cells_NB4, self.context.operator_costs, self.context.cells_stacked(cells_NB4))

    def feature_names(self) -> list[str]:
        """See `TablePredictor`."""
        from popnas.predictors.features import TIME_FEATURES

        return [*TIME_FEATURES]

    def _unscaled(self, values_N: np.ndarray) -> np.ndarray:
        return np.maximum(super()._unscaled(values_N), self._shortest)


def fenced(targets_N: np.ndarray) -> np.ndarray:
    """Targets, those moved in that went astray; as they are where most are equal."""
    low, high = np.percentile(targets_N, [25, 75])
    reach = _FENCE * (high - low)
    return np.clip(targets_N, low - reach, high + reach) if reach > 0 else targets_N
