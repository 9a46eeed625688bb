"""Which cells are trained again, and which one wins, when the luckiest of many noisy trainings shall not.

Cells are taken for draws from one normal distribution, and their trainings for draws around them: what a
cell is worth is then normal, too, the mean of its trainings drawn to the middle of the good cells, the less
the more trainings it has (conjugate posterior; Gelman et al., Bayesian Data Analysis, 2.5). Trainings go
where that is high or uncertain, as by upper confidence bounds (Auer et al., 2002). What the score predictor
says of a cell, fitted without it, in place of the middle did not find better ones (docs/log.md, 2026-11-28).

N cells, each trained at least once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_GOOD_SHARE = 1 / 3
"""Of the cells, by their first training; bad ones are never trained again."""
_PRIOR_PAIRS = 4.0
"""As long as few cells are trained again, half of the spread of first trainings counts as noise of seeds; as
if so many second trainings had shown it."""
_LEAST_SHARE = 0.1
"""Of that spread, of the noise and of what cells differ by alike."""
_TINY = 1e-12
_NORMAL_OF_MAD = 1.4826


@dataclass(frozen=True)
class CellWorth:
    """What cells are expected to be worth: `mean` (N,), `deviation` (N,)."""

    mean: np.ndarray
    deviation: np.ndarray


def worth(scores: Sequence[Sequence[float]]) -> CellWorth:
    """Of each cell's scores, the search's own first."""
    first_N = np.array([own[0] for own in scores])
    counts_N = np.array([len(own) for own in scores])
    means_N = np.array([np.mean(own) for own in scores])
    num_good = max(int(_GOOD_SHARE * len(scores)), 1)
    middle = float(np.median(np.sort(first_N)[-num_good:]))
    noise, apart = _variances(scores, first_N)
    precision_N = counts_N / noise + 1 / apart
    return CellWorth((counts_N * means_N / noise + middle / apart) / precision_N, np.sqrt(1 / precision_N))


def _variances(scores: Sequence[Sequence[float]], first_N: np.ndarray) -> tuple[float, float]:
    """(between trainings of one cell, between cells); their sum robustly, as trainings go astray."""
    spread = _NORMAL_OF_MAD * float(np.median(np.abs(first_N - np.median(first_N))))
    both = max(spread**2, _TINY)
    again = [own for own in scores if len(own) > 1]
    pairs = sum(len(own) - 1 for own in again)
    squares = sum(float(np.square(np.array(own) - np.mean(own)).sum()) for own in again)
    noise = (_PRIOR_PAIRS * both / 2 + squares) / (_PRIOR_PAIRS + pairs)
    noise = max(noise, _LEAST_SHARE * both)
    return noise, max(both - noise, _LEAST_SHARE * both)


def ranked(known: CellWorth) -> np.ndarray:
    """The positions by what cells are expected to be worth, the best one first; of equal ones the first."""
    return np.argsort(-known.mean, kind="stable")


def to_repeat(known: CellWorth, number: int) -> np.ndarray:
    """The positions of so many cells that may well be the best; of equal ones the first."""
    return np.argsort(-(known.mean + known.deviation), kind="stable")[:number]


def shares(number: int, rounds: int) -> list[int]:
    """So many trainings in so many rounds, none of them empty, the later ones the larger."""
    rounds = min(rounds, number)
    return [number * (part + 1) // rounds - number * part // rounds for part in range(rounds)]
