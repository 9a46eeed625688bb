"""The time predictor that takes a network's time for a sum over what is built.

A cell of more blocks than any that was learnt from is still made of operators that were measured: each adds
its own time, in as many cells as are stacked. What is learnt is how much each operator adds, alike wherever
it stands at first, and then how much that changes with what it reads.

Axes: N cells, B blocks, F columns, O operators, L lookbacks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from popnas.cells import bulk
from popnas.predictors._base import REGISTRY, FitReport, Prediction, PredictorContext, TimePredictor
from popnas.predictors._cross_validation import figures, folds
from popnas.predictors.tabular._tables import fenced

_NUM_FOLDS = 5
_CHUNK = 4096
_PENALTIES = (0.003, 0.03, 0.3)  # of what depends on an operator's input
_LEAST_PENALTY = 1e-4  # of all others, so that what never occurs costs nothing


@dataclass(frozen=True)
class _Weights:
    """What each column adds, (F,) seconds, and the network without cells."""

    columns: np.ndarray
    base: float


@REGISTRY.register("sums", description="a sum over the built operators, each at its place (time)")
class SumsPredictor(TimePredictor):
    """Least squares of relative errors, in which every operator only adds."""

    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self._weights: _Weights | None = None

    def feature_names(self) -> list[str]:
        """The columns: each is counted in all cells that are stacked."""
        operators, lookbacks = self.space.operators, range(2, self.space.lookback_depth + 1)
        sources = [*(f"lookback {-number}" for number in lookbacks), "a block"]
        return [
            *("cells", "blocks", "joined outputs"),
            *operators,
            *(f"{name} on {source}" for source in sources for name in operators),
        ]

    def table(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N, F) float64, whole numbers: the same for equivalent cells."""
        num_cells, num_blocks, _ = cells_NB4.shape
        inputs, operators = cells_NB4[:, :, 0::2], cells_NB4[:, :, 1::2]
        num_operators, depth = self.space.num_operators, self.space.lookback_depth
        # Group 0 is of lookback -1, the last one of blocks.
        source = np.where(inputs < 0, -1 - inputs, depth)
        counts = np.zeros((num_cells, depth + 1, num_operators))
        rows = np.arange(num_cells)
        for b in range(num_blocks):
            for half in (0, 1):
                is_real = operators[:, b, half] >= 0
                place = (rows[is_real], source[is_real, b, half], operators[is_real, b, half])
                counts[place] += 1
        outputs_N = bulk.unused_blocks(cells_NB4).sum(axis=1)
        shape = [
            bulk.num_blocks(cells_NB4) > 0,
            bulk.num_blocks(cells_NB4),
            np.where(outputs_N > 1, outputs_N, 0),
        ]
        by_source = counts[:, 1:].reshape(num_cells, depth * num_operators)
        table_NF = np.column_stack([*shape, counts.sum(axis=1), by_source])
        return table_NF * self.context.cells_stacked(cells_NB4)[:, None]

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        table_NF = self.table(cells_NB4)
        kept_N = fenced(targets_N)
        self._shortest = max(float(targets_N.min()), 0.0)
        fold_N = folds(len(kept_N), min(_NUM_FOLDS, len(kept_N)), np.random.default_rng(seed))
        held_out = {penalty: self._held_out(table_NF, kept_N, fold_N, penalty) for penalty in _PENALTIES}
        scale = max(float(np.abs(kept_N).mean()), 1e-300)
        errors = {
            penalty: float(np.mean(np.abs(values - kept_N) / np.maximum(np.abs(kept_N), 0.01 * scale)))
            for penalty, values in held_out.items()
        }
        penalty = min(errors, key=errors.__getitem__)
        self._weights = self._solved(table_NF, kept_N, penalty)
        return FitReport(
            hyperparameters={"penalty": penalty, "features": table_NF.shape[1]},
            cross_validation=figures(np.maximum(held_out[penalty], self._shortest), targets_N),
        )

    def _held_out(
        self, table_NF: np.ndarray, targets_N: np.ndarray, fold_N: np.ndarray, penalty: float
    ) -> np.ndarray:
        values_N = np.empty(len(targets_N))
        for fold in range(fold_N.max() + 1):
            weights = self._solved(table_NF[fold_N != fold], targets_N[fold_N != fold], penalty)
            values_N[fold_N == fold] = _values(weights, table_NF[fold_N == fold])
        return values_N

    def _solved(self, table_NF: np.ndarray, targets_N: np.ndarray, penalty: float) -> _Weights:
        """Columns of operators that depend on what these read may take from them as well as add."""
        scale = float(np.abs(targets_N).mean()) or 1.0
        weight_N = 1 / np.maximum(np.abs(targets_N), 0.01 * scale)
        num_common = 3 + self.space.num_operators
        width_F = np.maximum(table_NF.max(axis=0, initial=0), 1.0)
        rows = np.column_stack([np.ones(len(table_NF)), table_NF / width_F])
        is_own = np.arange(rows.shape[1]) > num_common
        penalty_F = np.sqrt(len(table_NF)) / scale * np.where(is_own, penalty, _LEAST_PENALTY)
        signed = np.column_stack([rows, -rows[:, is_own]])
        shrink = np.diag(np.concatenate([penalty_F, penalty_F[is_own]]))
        found, _ = nnls(
            np.concatenate([signed * weight_N[:, None], shrink]),
            np.concatenate([targets_N * weight_N, np.zeros(len(shrink))]),
        )
        columns = found[: rows.shape[1]].copy()
        columns[is_own] -= found[rows.shape[1] :]
        return _Weights(columns[1:] / width_F, float(columns[0]))

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        assert self._weights is not None
        seconds_N = np.empty(len(cells_NB4))
        for start in range(0, len(cells_NB4), _CHUNK):
            rows = slice(start, start + _CHUNK)
            seconds_N[rows] = _values(self._weights, self.table(cells_NB4[rows]))
        return Prediction(np.maximum(seconds_N, self._shortest))


def _values(weights: _Weights, table_NF: np.ndarray) -> np.ndarray:
    """(N,), added up in their order, unlike a matrix product: the same beside any other rows."""
    total_N = np.full(len(table_NF), weights.base)
    for column in np.flatnonzero(weights.columns):
        total_N += table_NF[:, column] * weights.columns[column]
    return total_N
