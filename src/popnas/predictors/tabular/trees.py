"""The score predictor of boosted trees over the counts of a cell's graph."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from popnas.predictors._base import REGISTRY, FitReport, Prediction, PredictorContext, ScorePredictor
from popnas.predictors._cross_validation import figures, folds, ranks
from popnas.predictors.tabular._tables import Explained, Linear
from popnas.predictors.tabular.boosted_trees import BoostingSettings, Trees, grow
from popnas.predictors.tabular.graph_counts import GraphCounts

_PENALTY = 3.0  # for each column that differs; 0.3 ranks NAS-Bench-201 a little worse


@REGISTRY.register("trees", description="boosted trees over paths and operators of the cell's graph (score)")
class TreesPredictor(ScorePredictor, Explained):
    """An ensemble of boosted trees, each fitted to a different fold's training part.

    What is learnt is the rank of a score among those known, as a normal deviate: selection needs the order, a
    training that went astray is just the last one, and the differences between good cells count as much as
    those between bad ones. Predictions go back to scores by the same curve.

    A linear part comes first, and trees learn what it leaves: alone they know few different values where
    few cells are known, and equal scores leave one cell on a front (docs/log.md).
    """

    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self.num_models = context.num_models
        self._made = GraphCounts(context.space, context.passing_operators, context.zero_operators)
        self._models: list[Trees] = []
        self._linear = _LinearPart(np.zeros(0), 0.0)

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        settings = BoostingSettings()
        self._curve = ScoreCurve(targets_N)
        deviates_N = self._curve.deviates(targets_N)
        table_NF = self.table(cells_NB4)
        fold_N = folds(len(targets_N), self.num_models, np.random.default_rng(seed))
        held_out_N = np.full(len(targets_N), np.nan)
        self._models, linear = [], []
        for number in range(self.num_models):
            seen_N = (fold_N != number) | (self.num_models == 1)
            linear.append(_LinearPart.of(table_NF[seen_N], deviates_N[seen_N]))
            left_N = deviates_N[seen_N] - linear[-1].predict(table_NF[seen_N])
            trees = grow(table_NF[seen_N], left_N, settings, seed + number)
            held_out_N[~seen_N] = linear[-1].predict(table_NF[~seen_N]) + trees.predict(
                table_NF[~seen_N][:, trees.used_columns]
            )
            self._models.append(trees)
        self._linear = _LinearPart.mean(linear)
        return FitReport(
            hyperparameters={
                "num_models": self.num_models,
                "trees": settings.trees,
                "rate": settings.rate,
                "levels": settings.levels,
            },
            cross_validation=(
                figures(self._curve.scores(held_out_N), targets_N)
                if self.num_models > 1
                else dict.fromkeys(("mape", "spearman", "r2"))
            ),
        )

    def table(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Explained`."""
        return self._made.table(cells_NB4)

    def feature_names(self) -> list[str]:
        """See `Explained`."""
        return self._made.names()

    def predict_table(self, table_NF: np.ndarray) -> np.ndarray:
        """See `Explained`."""
        deviates = [trees.predict(table_NF[:, trees.used_columns]) for trees in self._models]
        return self._curve.scores(self._linear.predict(table_NF) + _sum(deviates) / self.num_models)

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        used = [trees.used_columns for trees in self._models]
        columns = np.unique(np.concatenate([*used, np.flatnonzero(self._linear.weights)]))
        linear = Linear(self._linear.weights[columns], self._linear.intercept)
        places = [np.searchsorted(columns, trees.used_columns) for trees in self._models]
        mean_N, spread_N = np.empty(len(cells_NB4)), np.empty(len(cells_NB4))
        for rows, table in self._made.chunks(cells_NB4, columns, parents):
            linear_n = linear.predict(table)
            deviates = [
                linear_n + trees.predict(table[:, place])
                for trees, place in zip(self._models, places, strict=True)
            ]
            mean_N[rows] = self._curve.scores(_sum(deviates) / self.num_models)
            scores = [self._curve.scores(values) for values in deviates]
            middle = _sum(scores) / self.num_models
            spread_N[rows] = np.sqrt(
                _sum([np.square(values - middle) for values in scores]) / self.num_models
            )
        return Prediction(mean_N, spread_N)


class _LinearPart(Linear):
    """What comes before the trees."""

    @classmethod
    def of(cls, table_NF: np.ndarray, targets_N: np.ndarray) -> _LinearPart:
        """Ridge regression of scaled columns; in its dual form, since there are fewer rows than columns."""
        offset_F, scale_F = table_NF.mean(axis=0, dtype=np.float64), table_NF.std(axis=0, dtype=np.float64)
        differs_F = np.ptp(table_NF, axis=0) > 0
        scaled_NF = (table_NF - offset_F)[:, differs_F] / scale_F[differs_F]
        penalty = _PENALTY * max(int(differs_F.sum()), 1)
        mean = float(targets_N.mean())
        kernel_NN = scaled_NF @ scaled_NF.T + penalty * np.eye(len(targets_N))
        weights_F = np.zeros(table_NF.shape[1])
        weights_F[differs_F] = scaled_NF.T @ np.linalg.solve(kernel_NN, targets_N - mean) / scale_F[differs_F]
        return cls(weights_F, mean - float(offset_F @ weights_F))

    @classmethod
    def mean(cls, parts: list[_LinearPart]) -> _LinearPart:
        """Of the models'."""
        intercept = float(np.mean([part.intercept for part in parts]))
        return cls(np.mean([part.weights for part in parts], axis=0), intercept)


class ScoreCurve:
    """Scores and the normal deviates of their ranks among those known, both ways; strictly rising where
    scores are."""

    def __init__(self, targets_N: np.ndarray) -> None:
        self._deviate_K, first = np.unique(_deviates(targets_N), return_index=True)
        self._score_K = targets_N[first]
        # Beyond the ends it goes on as steeply as over the outer quarter.
        self._slopes = [
            self._slope(slice(0, len(first) // 4 + 2)),
            self._slope(slice(-(len(first) // 4) - 2, None)),
        ]
        self._highest = max(1.0, float(targets_N.max()))

    def _slope(self, part: slice) -> float:
        deviates, scores = self._deviate_K[part], self._score_K[part]
        return float(np.ptp(scores) / np.ptp(deviates)) if len(deviates) > 1 else 0.0

    def deviates(self, targets_N: np.ndarray) -> np.ndarray:
        """Of the scores that it was made of."""
        return _deviates(targets_N)

    def scores(self, deviates_N: np.ndarray) -> np.ndarray:
        """Of any deviates; no score above 1 unless one was known."""
        scores_N = np.interp(deviates_N, self._deviate_K, self._score_K)
        scores_N += self._slopes[0] * np.minimum(deviates_N - self._deviate_K[0], 0)
        scores_N += self._slopes[1] * np.maximum(deviates_N - self._deviate_K[-1], 0)
        return np.minimum(scores_N, self._highest)


def _deviates(targets_N: np.ndarray) -> np.ndarray:
    return np.asarray(ndtri((ranks(targets_N) - 0.5) / len(targets_N)))


def _sum(values: list[np.ndarray]) -> np.ndarray:
    """Added up in their order, however many cells there are, unlike numpy's own."""
    total = np.zeros_like(values[0])
    for item in values:
        total += item
    return total
