"""Figures of out-of-fold predictions, shared by the predictors' fit reports."""

from __future__ import annotations

import numpy as np


def folds(num_targets: int, num_folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each target, (N,) int; sizes differ by at most one, and some are 0 with few targets."""
    fold_N = np.empty(num_targets, dtype=np.int64)
    fold_N[rng.permutation(num_targets)] = np.arange(num_targets) % num_folds
    return fold_N


def figures(predicted_N: np.ndarray, targets_N: np.ndarray) -> dict[str, float | None]:
    """MAPE in percent, Spearman's correlation and R2; None where undefined (target 0, equal values)."""
    residuals_N = targets_N - predicted_N
    total = float(np.square(targets_N - targets_N.mean()).sum())
    has_mape = bool((targets_N != 0).all())
    return {
        "mape": float(100 * np.abs(residuals_N / targets_N).mean()) if has_mape else None,
        "spearman": _correlation(ranks(predicted_N), ranks(targets_N)),
        "r2": 1 - float(np.square(residuals_N).sum()) / total if total > 0 else None,
    }


def _correlation(first_N: np.ndarray, second_N: np.ndarray) -> float | None:
    if np.ptp(first_N) == 0 or np.ptp(second_N) == 0:
        return None
    return float(np.corrcoef(first_N, second_N)[0, 1])


def ranks(values_N: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing their mean rank (scipy.stats takes half a second to import)."""
    _, place_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place_N]
