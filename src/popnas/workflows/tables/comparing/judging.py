"""What was found is worth: regret of score and of hypervolume, within budgets.

A method is judged by what it would hand over: its best candidate, and its front over score and cost, both
chosen by the trainings that it saw. Their worth is the mean over the *other* trainings of each, where there
are some; in a table of `popnas bench build` also without the first, by which it was decided which cells are
trained again. Regret is what is missing to the best of the table: to the highest mean, and to the
hypervolume of all means, with objectives scaled to 0..1 over the whole table and its worst corner as
reference.

Axes: N candidates, R trainings, M = 2 objectives (score, cost), T trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from popnas import pareto
from popnas.records import Record
from popnas.workflows.tables.comparing.ground import Ground
from popnas.workflows.tables.comparing.trial import Tried

MAXIMIZE = (True, False)
CONFIDENCE = 0.95
FIGURES = ("score_regret", "hypervolume_regret", "test_regret", "test")
"""In the order of tables; those of tests are there where the table has them (percent)."""


@dataclass(frozen=True)
class SeedMean(Record):
    """Mean over seeds with Student's t interval at 95 %; of one seed without."""

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values_T: np.ndarray) -> SeedMean:
        """Of one figure per seed."""
        mean = float(values_T.mean())
        if len(values_T) < 2:
            return cls(mean, None, None)
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values_T) - 1) * stats.sem(values_T))
        return cls(mean, mean - half, mean + half)


class Judge:
    """Judges what was tried on a ground.

    `worth`: (N, R, M) what a candidate is worth to who saw that training of it; `best`: the highest mean
    score; `whole`: the hypervolume of the table; `best_row`: the best by test, where there is one, else by
    its mean.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        values_NRM = np.stack([ground.scores, ground.costs], axis=2)
        is_there_NR = np.isfinite(ground.scores) & np.isfinite(ground.costs)
        self.worth = _mean_of_others(values_NRM, is_there_NR, ground.first_is_chosen_by)
        means_NM = _means(values_NRM, is_there_NR, ground.first_is_chosen_by)
        is_closed = np.ones(len(means_NM), dtype=bool)
        is_closed[ground.open_rows] = False
        means_NM[is_closed] = np.nan
        ranked_N = means_NM[:, 0] if ground.test is None else np.where(is_closed, np.nan, ground.test)
        self.best_row = int(np.nanargmax(ranked_N))
        means_NM = means_NM[np.isfinite(means_NM).all(axis=1)]
        self.best = float(means_NM[:, 0].max())
        self._lowest, self._highest = means_NM.min(axis=0), means_NM.max(axis=0)
        self._is_open = ~is_closed
        self.whole = self._volume(means_NM)

    def figures(self, tried: Tried, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """By name, after the first n candidates for each n of `numbers`; NaN where there is no result yet."""
        rows, trainings = np.array(tried.rows, dtype=np.int64), np.array(tried.trainings, dtype=np.int64)
        seen_NM = np.stack([self.ground.scores[rows, trainings], self.ground.costs[rows, trainings]], axis=1)
        counts = self._is_open[rows] & np.isfinite(seen_NM).all(axis=1)
        worth_NM = self.worth[rows, trainings]
        found = [self._after(rows[:n], seen_NM[:n], worth_NM[:n], counts[:n]) for n in numbers]
        names = [name for name in FIGURES if self.ground.test is not None or not name.startswith("test")]
        return {name: np.array([figures[name] for figures in found]) for name in names}

    def _after(
        self, rows: np.ndarray, seen_NM: np.ndarray, worth_NM: np.ndarray, counts: np.ndarray
    ) -> dict[str, float]:
        places = np.flatnonzero(counts)
        if not len(places):
            return {**dict.fromkeys(FIGURES, np.nan), "hypervolume_regret": self.whole}
        incumbent = places[np.argmax(seen_NM[places, 0])]
        front = places[pareto.front(seen_NM[places], MAXIMIZE)]
        found = {
            "score_regret": self.best - float(worth_NM[incumbent, 0]),
            "hypervolume_regret": self.whole - self._volume(worth_NM[front]),
        }
        if self.ground.test is not None:
            test = float(self.ground.test[rows[incumbent]])
            found |= {"test_regret": float(self.ground.test.max()) - test, "test": test}
        return found

    def _volume(self, values_NM: np.ndarray) -> float:
        extent_M = np.where(self._highest > self._lowest, self._highest - self._lowest, 1.0)
        scaled_NM = (values_NM - self._lowest) / extent_M
        return pareto.hypervolume(scaled_NM, MAXIMIZE, np.array([0.0, 1.0]))

    def numbers_within(self, tried: Tried, seconds: Sequence[float]) -> list[int]:
        """How many candidates were evaluated whole within each of the seconds, one after the other."""
        spent = self.ground.seconds[list(tried.rows), list(tried.trainings)]
        ends = np.cumsum(np.nan_to_num(spent))
        return np.searchsorted(ends, np.asarray(seconds), side="right").tolist()

    def spent_seconds(self, tried: Tried, number: int) -> float:
        """Of training the first so many."""
        spent = self.ground.seconds[list(tried.rows[:number]), list(tried.trainings[:number])]
        return float(np.nan_to_num(spent).sum())

    def everything(self, seed: int) -> Tried:
        """All of the table seen once: what no choice among candidates can do better with that signal."""
        rows = self.ground.open_rows.tolist()
        return Tried(tuple(rows), tuple(self.ground.training(row, seed) for row in rows))


def _mean_of_others(values_NRM: np.ndarray, is_there_NR: np.ndarray, is_first_chosen_by: bool) -> np.ndarray:
    """(N, R, M): for each training the mean over the others; of a candidate trained once its own values."""
    num_trainings = values_NRM.shape[1]
    found = np.empty_like(values_NRM)
    for training in range(num_trainings):
        others_NR = is_there_NR.copy()
        others_NR[:, training] = False
        means_NM = _means(values_NRM, others_NR, is_first_chosen_by)
        has_others_N1 = others_NR.any(axis=1, keepdims=True)
        found[:, training] = np.where(has_others_N1, means_NM, values_NRM[:, training])
    return found


def _means(values_NRM: np.ndarray, is_taken_NR: np.ndarray, is_first_chosen_by: bool) -> np.ndarray:
    """(N, M) means over the trainings that are taken, without the first where others are left; NaN: none."""
    taken = is_taken_NR.copy()
    if is_first_chosen_by:
        taken[:, 0] &= ~taken[:, 1:].any(axis=1)
    counts = taken.sum(axis=1, keepdims=True)
    sums = np.where(taken[:, :, None], values_NRM, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
