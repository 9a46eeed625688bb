"""The time predictor: support vector regression with a radial basis kernel on the nine time features.

Fitting is libsvm's (scikit-learn, imported on first use); prediction is one vectorised kernel evaluation,
where libsvm would take several times as long. Kernel matrices are cached: one per width of the kernel,
whatever the folds and penalties.

The settings that count were found on simulated times (`benchmarks/bench_predictors.py --rank`), predicting
cells of one block more. Times as they are rank better than their square roots (Spearman 0.84 against 0.81)
and far better than their logarithms (0.68), which bend what is a sum over operators. And tuning must not look
at random folds alone, which hold no cell larger than those learnt from: with `_splits` and wide kernels 0.94.

Axes: N cells, F features, S support vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from popnas.cells import bulk
from popnas.predictors._base import REGISTRY, FitReport, Prediction, PredictorContext, TimePredictor
from popnas.predictors._cross_validation import figures, folds
from popnas.predictors.features import time_features

# Choices of gamma, C and epsilon (the latter two in scaled seconds), first where the tuning starts. Kernels
# are wider than usual, since a search asks for larger cells than it has seen.
_WIDTHS = (0.003, 0.001, 0.01)
_PENALTIES = (100.0, 10.0, 1000.0)
_TUBES = (0.05, 0.01, 0.1)
_NUM_FOLDS = 5
_FEWEST_SMALLER = 10  # cells that are needed to learn from before the largest are held out together
_ROWS = 512  # rows of one kernel evaluation, always as many: its last bits vary with the shape

_Split = tuple[np.ndarray, float]  # held-out cells (N,) bool, weight of their mean error


@dataclass(frozen=True)
class _Fit:
    """A fitted machine: support vectors (F, S) in scaled features, their weights (S,) in scaled seconds."""

    vectors: np.ndarray
    weights: np.ndarray
    intercept: float


@REGISTRY.register(
    "svr", description="support vector regression on nine features (training and inference time)"
)
class SvrPredictor(TimePredictor):
    """Support vector regression whose width, penalty and tube are tuned by cross-validation at every fit."""

    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self._fit_of_all: _Fit | None = None

    def _features(self, cells_NB4: np.ndarray) -> np.ndarray:
        return time_features(cells_NB4, self.context.operator_costs, self.context.cells_stacked(cells_NB4))

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        features_NF = self._features(cells_NB4)
        self._offset_F, self._scale_F = features_NF.mean(axis=0), _deviations(features_NF)
        self._offset, self._scale = float(np.median(targets_N)), _robust_scale(targets_N)
        self._shortest = max(float(targets_N.min()), 0.0)
        features_NF = (features_NF - self._offset_F) / self._scale_F
        scaled_N = (targets_N - self._offset) / self._scale
        tuning = _Tuning(features_NF, scaled_N, _splits(cells_NB4, seed))
        self._width, penalty, tube = tuning.best()
        machine = _machine(penalty, tube).fit(tuning.kernel(self._width), scaled_N)
        support = features_NF[machine.support_]
        self._fit_of_all = _Fit(support.T.copy(), machine.dual_coef_[0].copy(), float(machine.intercept_[0]))
        held_out_N = self._seconds(tuning.held_out(self._width, penalty, tube))
        return FitReport(
            hyperparameters={
                "gamma": self._width,
                "C": penalty,
                "epsilon": tube,
                "num_support_vectors": len(support),
            },
            cross_validation=figures(held_out_N, targets_N),
        )

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        features_NF = (self._features(cells_NB4) - self._offset_F) / self._scale_F
        assert self._fit_of_all is not None
        return Prediction(self._seconds(_evaluate(self._fit_of_all, self._width, features_NF)))

    def _seconds(self, scaled_N: np.ndarray) -> np.ndarray:
        """Seconds, none less than the shortest measured time, which is the empty cell's as a rule."""
        return np.maximum(scaled_N * self._scale + self._offset, self._shortest)


def _deviations(features_NF: np.ndarray) -> np.ndarray:
    """Standard deviation of each feature, 1 where all cells agree but for rounding."""
    deviations_F = features_NF.std(axis=0)
    return np.where(deviations_F > 1e-12 * np.abs(features_NF).max(axis=0), deviations_F, 1.0)


def _robust_scale(targets_N: np.ndarray) -> float:
    """What a standard deviation would be without outliers; 1 if all targets are equal."""
    low, high = np.percentile(targets_N, [25, 75])
    for scale in ((high - low) / 1.349, targets_N.std()):
        if scale > 1e-12 * np.abs(targets_N).max():
            return float(scale)
    return 1.0


def _splits(cells_NB4: np.ndarray, seed: int) -> list[_Split]:
    """Random folds, which cover all cells once, and the largest cells: what is held out and its weight.

    The last split asks what the search will ask, to predict cells of more blocks than those learnt from; it
    is left out while there are too few smaller cells.
    """
    num_cells = len(cells_NB4)
    fold_N = folds(num_cells, min(_NUM_FOLDS, num_cells), np.random.default_rng(seed))
    splits = [(fold_N == fold, float((fold_N == fold).mean())) for fold in range(fold_N.max() + 1)]
    num_blocks_N = bulk.num_blocks(cells_NB4)
    is_largest_N = num_blocks_N == num_blocks_N.max()
    if np.count_nonzero(~is_largest_N) >= _FEWEST_SMALLER:
        splits.append((is_largest_N, 1.0))
    return splits


class _Tuning:
    """Cross-validation of settings on scaled features and targets, with the kernel matrices kept."""

    def __init__(self, features_NF: np.ndarray, targets_N: np.ndarray, splits: list[_Split]) -> None:
        self._targets_N, self._splits = targets_N, splits
        squares_N = np.square(features_NF).sum(axis=1)
        products_NN = features_NF @ features_NF.T
        self._distances_NN = np.maximum(squares_N[:, None] + squares_N - 2 * products_NN, 0.0)
        self._kernels: dict[float, np.ndarray] = {}

    def kernel(self, width: float) -> np.ndarray:
        """The kernel matrix (N, N) of one gamma."""
        if width not in self._kernels:
            self._kernels[width] = np.exp(-width * self._distances_NN)
        return self._kernels[width]

    def best(self) -> tuple[float, float, float]:
        """Width, penalty and tube with the smallest mean absolute errors, tuned one after the other."""
        chosen = [_WIDTHS[0], _PENALTIES[0], _TUBES[0]]
        smallest = self._error(*chosen)
        for place, choices in enumerate((_WIDTHS, _PENALTIES, _TUBES)):
            start = list(chosen)
            for choice in choices[1:]:
                start[place] = choice
                error = self._error(*start)
                if error < smallest:
                    smallest, chosen = error, list(start)
        return chosen[0], chosen[1], chosen[2]

    def held_out(self, width: float, penalty: float, tube: float) -> np.ndarray:
        """Predictions for each cell by a machine that has not seen it, from the random folds: (N,)."""
        predicted_N = np.empty(len(self._targets_N))
        for held_out_N, _ in reversed(self._splits):  # the random folds, which come first, have the last word
            predicted_N[held_out_N] = self._predict_split(held_out_N, width, penalty, tube)
        return predicted_N

    def _error(self, width: float, penalty: float, tube: float) -> float:
        """Mean absolute error over the random folds, plus that over the largest cells."""
        error = 0.0
        for held_out_N, share in self._splits:
            predicted = self._predict_split(held_out_N, width, penalty, tube)
            error += share * float(np.abs(predicted - self._targets_N[held_out_N]).mean())
        return error

    def _predict_split(self, held_out_N: np.ndarray, width: float, penalty: float, tube: float) -> np.ndarray:
        kernel_NN, seen_N = self.kernel(width), ~held_out_N
        machine = _machine(penalty, tube).fit(kernel_NN[np.ix_(seen_N, seen_N)], self._targets_N[seen_N])
        return machine.predict(kernel_NN[np.ix_(held_out_N, seen_N)])


def _machine(penalty: float, tube: float) -> Any:
    from sklearn.svm import SVR

    return SVR(kernel="precomputed", C=penalty, epsilon=tube)


def _evaluate(fit: _Fit, width: float, features_NF: np.ndarray) -> np.ndarray:
    """The machine's values (N,) float64, each the same whatever rows stand beside it.

    -gamma |x - s|^2 is one matrix product over features with two columns more. Float64, since weights as
    large as the penalty cancel one another.
    """
    num_cells, num_features = features_NF.shape
    norms_S = np.square(fit.vectors).sum(axis=0)
    vectors = np.concatenate([2 * width * fit.vectors, -width * norms_S[None], np.ones((1, len(norms_S)))])
    rows = np.zeros((_ROWS, num_features + 2))
    kernel = np.empty((_ROWS, vectors.shape[1]))
    values_N = np.empty(num_cells)
    for start in range(0, num_cells, _ROWS):
        part = features_NF[start : start + _ROWS]
        rows[: len(part), :num_features] = part
        rows[: len(part), num_features] = 1.0
        rows[: len(part), -1] = -width * np.square(part).sum(axis=1)
        np.exp(np.matmul(rows, vectors, out=kernel), out=kernel)
        values_N[start : start + len(part)] = (kernel @ fit.weights)[: len(part)] + fit.intercept
    return values_N
