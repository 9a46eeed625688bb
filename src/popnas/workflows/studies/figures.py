"""How predictions compare with what was measured.

N cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy import stats

from popnas.records import Record
from popnas.report import statistics


@dataclass(frozen=True)
class Figures(Record):
    """`mape`, `bias`: mean absolute and mean error in percent of the real values; `spearman`, `kendall`: rank
    correlations; `r2`; `recall`: which share of the best tenth (of 3 cells at least) is among as many
    predicted best; `fit_seconds`, `predict_seconds`: of this process, the latter for 1,000 cells. None where
    not defined.
    """

    mape: float | None
    bias: float | None
    spearman: float | None
    kendall: float | None
    r2: float | None
    recall: float | None
    fit_seconds: float
    predict_seconds: float


NAMES = tuple(item.name for item in fields(Figures))


def figures(
    real_N: np.ndarray, predicted_N: np.ndarray, *, is_better_low: bool, seconds: tuple[float, float]
) -> Figures:
    """Of one fit; `seconds`: of the fit, and of the prediction of all."""
    sign = 1 if is_better_low else -1
    is_ranked = np.ptp(real_N) > 0 and np.ptp(predicted_N) > 0
    return Figures(
        mape=statistics.mape(real_N, predicted_N),
        bias=float(100 * (predicted_N / real_N - 1).mean()) if (real_N != 0).all() else None,
        spearman=statistics.spearman(real_N, predicted_N),
        kendall=float(stats.kendalltau(real_N, predicted_N).statistic) if is_ranked else None,
        r2=statistics.r2(real_N, predicted_N),
        recall=_recall(sign * real_N, sign * predicted_N),
        fit_seconds=seconds[0],
        predict_seconds=1000 * seconds[1] / len(real_N),
    )


def _recall(real_N: np.ndarray, predicted_N: np.ndarray) -> float:
    best = max(3, len(real_N) // 10)
    tops = [set(np.argsort(values, kind="stable")[:best].tolist()) for values in (real_N, predicted_N)]
    return len(tops[0] & tops[1]) / best


def interval(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The mean, and half of its 95 % confidence interval (Student's t); None where not known."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return None, None
    if len(known) == 1:
        return float(known[0]), None
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean()), float(half)
