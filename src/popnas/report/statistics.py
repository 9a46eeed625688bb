"""The few statistics that the report quotes. N numbers as float64 arrays; no scipy, whose import costs a
second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom, from any statistical table.
_T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def mape(real_N: np.ndarray, predicted_N: np.ndarray) -> float | None:
    """Mean absolute percentage error, in percent; None if every real value is 0."""
    is_usable = real_N != 0
    if not is_usable.any():
        return None
    errors = np.abs((predicted_N - real_N)[is_usable] / real_N[is_usable])
    return float(100 * errors.mean())


def pearson(x_N: np.ndarray, y_N: np.ndarray) -> float | None:
    """Linear correlation; None where it is not defined (fewer than 3 points, or all equal)."""
    if len(x_N) < 3 or np.ptp(x_N) == 0 or np.ptp(y_N) == 0:
        return None
    x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
    scale = math.sqrt(float((x_N**2).sum()) * float((y_N**2).sum()))
    return float((x_N * y_N).sum()) / scale if scale else None


def spearman(x_N: np.ndarray, y_N: np.ndarray) -> float | None:
    """Rank correlation, ties at their mean rank; None where it is not defined."""
    return pearson(_ranks(x_N), _ranks(y_N))


def r2(real_N: np.ndarray, predicted_N: np.ndarray) -> float | None:
    """Coefficient of determination: 1 - squared errors / variance; None for fewer than 3 points or all
    equal.
    """
    spread = float(((real_N - real_N.mean()) ** 2).sum()) if len(real_N) >= 3 else 0.0
    return None if spread == 0 else 1 - float(((real_N - predicted_N) ** 2).sum()) / spread


def _ranks(values_N: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


@dataclass(frozen=True)
class Interval:
    """A mean with the 95 % confidence interval mean ± half; `half` is None if the noise is not known."""

    mean: float
    half: float | None

    def __str__(self) -> str:
        return f"{self.mean:.4f}" if self.half is None else f"{self.mean:.4f} ± {self.half:.4f}"


@dataclass(frozen=True)
class SeedNoise:
    """What the seed alone changes: the standard deviation of one score and its degrees of freedom.

    With 0 degrees (no cell was repeated) nothing is known, and intervals have no half.
    """

    deviation: float
    degrees: int

    @classmethod
    def of(cls, groups: Sequence[Sequence[float]]) -> SeedNoise:
        """Pooled over cells, as in a one-way analysis of variance.

        Three seeds say little about the noise of one cell; those of six cells together say enough, if the
        noise of good cells is alike.
        """
        degrees = sum(len(scores) - 1 for scores in groups)
        squares = sum(float(((np.array(scores) - np.mean(scores)) ** 2).sum()) for scores in groups)
        return cls(math.sqrt(squares / degrees) if degrees > 0 else 0.0, degrees)

    def interval(self, scores: Sequence[float]) -> Interval:
        """The mean of a cell's scores."""
        return Interval(float(np.mean(scores)), self._half(1 / len(scores)))

    def difference(self, first: Sequence[float], second: Sequence[float]) -> Interval:
        """mean(first) - mean(second)."""
        mean = float(np.mean(first) - np.mean(second))
        return Interval(mean, self._half(1 / len(first) + 1 / len(second)))

    def _half(self, variance: float) -> float | None:
        return _t_95(self.degrees) * self.deviation * math.sqrt(variance) if self.degrees > 0 else None


def repeated(values: Sequence[float], validation_size: float = 0.0) -> Interval:
    """The mean of repeated trainings.

    `validation_size`: the share of the examples that validates, where each training is judged on another draw
    of them: the draws overlap, so that their figures vary less than those of new data would, which is
    corrected for (Nadeau and Bengio 2003). 0: they differ in their seeds alone.
    """
    number, mean = len(values), float(np.mean(values))
    if number < 2:
        return Interval(mean, None)
    variance = float(np.var(values, ddof=1)) * (1 / number + validation_size / (1 - validation_size))
    return Interval(mean, _t_95(number - 1) * math.sqrt(variance))


def share_noise(one: float, other: float, num_examples: int) -> float:
    """Half the 95 % interval of the difference of two shares, each of so many examples (normal
    approximation). Those of the same examples differ by less chance, so this is on the careful side."""
    variance = sum(share * (1 - share) for share in (one, other)) / num_examples
    return 1.96 * math.sqrt(max(variance, 0.0))


def _t_95(degrees: int) -> float:
    """The quantile; beyond the table an approximation that is right to 0.002."""
    return _T_95[degrees - 1] if degrees <= len(_T_95) else 1.96 + 2.4 / degrees
