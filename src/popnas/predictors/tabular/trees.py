"""The score predictor of boosted trees over the counts of a cell's graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

    Where the context has cells of earlier searches, an ensemble of these comes before both, weighted as far
    as the new scores bear it out.
    """

    learns_from_earlier = True

    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self.num_models = context.num_models
        self._made = GraphCounts(context.space, context.passing_operators, context.zero_operators)
        self._earlier: _Earlier | None = None

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        settings = BoostingSettings()
        self._curve = ScoreCurve(targets_N)
        deviates_N = self._curve.deviates(targets_N)
        table_NF = self.table(cells_NB4)
        expected_N = np.zeros(len(targets_N))
        if self.context.earlier:
            self._earlier = _Earlier.of(self._earlier_ensemble(seed), table_NF, deviates_N)
            expected_N = self._earlier.expected(table_NF)
        fold_N = folds(len(targets_N), self.num_models, np.random.default_rng(seed))
        self._own, held_out_N = _Ensemble.fitted(table_NF, deviates_N - expected_N, fold_N, seed)
        num_earlier = sum(len(scores) for _, scores in self.context.earlier)
        return FitReport(
            hyperparameters={
                "num_models": self.num_models,
                "trees": settings.trees,
                "rate": settings.rate,
                "levels": settings.levels,
                **({"earlier": num_earlier, "earlier_weight": self._earlier.weight} if self._earlier else {}),
            },
            cross_validation=(
                figures(self._curve.scores(expected_N + held_out_N), targets_N)
                if self.num_models > 1
                else dict.fromkeys(("mape", "spearman", "r2"))
            ),
        )

    def _earlier_ensemble(self, seed: int) -> _Ensemble:
        """Of the cells of earlier searches. Each search ranks its own: their scores are of other data."""
        table_NF = np.concatenate([self.table(cells_NB4) for cells_NB4, _ in self.context.earlier])
        deviates_N = np.concatenate([_deviates(scores_N) for _, scores_N in self.context.earlier])
        fold_N = folds(len(deviates_N), self.num_models, np.random.default_rng(seed))
        return _Ensemble.fitted(table_NF, deviates_N, fold_N, seed)[0]

    def table(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Explained`."""
        return self._made.table(cells_NB4)

    def feature_names(self) -> list[str]:
        """See `Explained`."""
        return self._made.names()

    def predict_table(self, table_NF: np.ndarray) -> np.ndarray:
        """See `Explained`."""
        own = self._own
        deviates = [trees.predict(table_NF[:, trees.used_columns]) for trees in own.models]
        total_N = own.linear.predict(table_NF) + _sum(deviates) / self.num_models
        if self._earlier is not None:
            total_N = total_N + self._earlier.expected(table_NF)
        return self._curve.scores(total_N)

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        ensembles = [self._own, *([self._earlier.ensemble] if self._earlier else [])]
        columns = np.unique(np.concatenate([ensemble.used_columns for ensemble in ensembles]))
        own, *earlier = (ensemble.reading(columns) for ensemble in ensembles)
        mean_N, spread_N = np.empty(len(cells_NB4)), np.empty(len(cells_NB4))
        for rows, table in self._made.chunks(cells_NB4, columns, parents):
            deviates = own(table)
            if self._earlier is not None:
                expected_n = self._earlier.weighted(earlier[0](table))
                deviates = [values + expected_n for values in deviates]
            mean_N[rows] = self._curve.scores(_sum(deviates) / self.num_models)
            scores = [self._curve.scores(values) for values in deviates]
            middle = _sum(scores) / self.num_models
            spread_N[rows] = np.sqrt(
                _sum([np.square(values - middle) for values in scores]) / self.num_models
            )
        return Prediction(mean_N, spread_N)


@dataclass(frozen=True)
class _Ensemble:
    """A linear part, the mean of all folds', and trees of each fold, which learn what it leaves."""

    linear: _LinearPart
    models: list[Trees]

    @classmethod
    def fitted(
        cls, table_NF: np.ndarray, deviates_N: np.ndarray, fold_N: np.ndarray, seed: int
    ) -> tuple[_Ensemble, np.ndarray]:
        """Fitted to the training part of each fold; and what each says of the part that is left out, (N,),
        NaN where there is one fold only."""
        num_models = int(fold_N.max()) + 1
        held_out_N = np.full(len(deviates_N), np.nan)
        models, linear = list[Trees](), list[_LinearPart]()
        for number in range(num_models):
            seen_N = (fold_N != number) | (num_models == 1)
            linear.append(_LinearPart.of(table_NF[seen_N], deviates_N[seen_N]))
            left_N = deviates_N[seen_N] - linear[-1].predict(table_NF[seen_N])
            trees = grow(table_NF[seen_N], left_N, BoostingSettings(), seed + number)
            held_out_N[~seen_N] = linear[-1].predict(table_NF[~seen_N]) + trees.predict(
                table_NF[~seen_N][:, trees.used_columns]
            )
            models.append(trees)
        return cls(_LinearPart.mean(linear), models), held_out_N

    @property
    def used_columns(self) -> np.ndarray:
        """Those of a table's columns that matter, ascending."""
        used = [trees.used_columns for trees in self.models]
        return np.unique(np.concatenate([*used, np.flatnonzero(self.linear.weights)]))

    def reading(self, columns: np.ndarray) -> Callable[[np.ndarray], list[np.ndarray]]:
        """What gives each model's deviates of a table's rows that have these columns alone."""
        linear = Linear(self.linear.weights[columns], self.linear.intercept)
        places = [np.searchsorted(columns, trees.used_columns) for trees in self.models]

        def read(table: np.ndarray) -> list[np.ndarray]:
            linear_n = linear.predict(table)
            return [
                linear_n + trees.predict(table[:, place])
                for trees, place in zip(self.models, places, strict=True)
            ]

        return read


@dataclass(frozen=True)
class _Earlier:
    """What earlier searches let expect of a cell's deviate: `weight` says how far this one bears it out."""

    ensemble: _Ensemble
    weight: float
    intercept: float

    @classmethod
    def of(cls, ensemble: _Ensemble, table_NF: np.ndarray, deviates_N: np.ndarray) -> _Earlier:
        """With the weight that fits the deviates of this search best, none where it contradicts them."""
        whole = cls(ensemble, 1.0, 0.0)
        expected_N = whole.expected(table_NF)
        centred_N = expected_N - expected_N.mean()
        square = float(np.square(centred_N).sum())
        weight = max(float((centred_N * deviates_N).sum()) / square, 0.0) if square > 0 else 0.0
        return cls(ensemble, weight, float(deviates_N.mean()) - weight * float(expected_N.mean()))

    def expected(self, table_NF: np.ndarray) -> np.ndarray:
        """(N,) for rows of a whole table."""
        return self.weighted(self.ensemble.reading(np.arange(table_NF.shape[1]))(table_NF))

    def weighted(self, deviates: list[np.ndarray]) -> np.ndarray:
        """(N,) of the deviates that the models give."""
        return self.intercept + self.weight * (_sum(deviates) / len(deviates))


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
