"""What was found is worth: regret of score and of hypervolume, within budgets.

A method is judged by what it would hand over: its best candidate, and its front over score and cost, both
chosen by the trainings that it saw. Their worth is the mean over the *other* trainings of each, where there
are some, at the last fidelity, whichever was seen; in a table of `popnas bench build` also without the first,
by which it was decided which cells are trained again. Where trainings are drawn around means, those are what
each is worth. Regret is what is missing to the best of the table: to the highest mean, and to the
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


@dataclass(frozen=True)
class _Seen:
    """Candidates in the order in which they were first seen: rows (N,), what each came to (N, M), the mean
    score of those that were trained again, what each is worth (N, M); the row of the winner of repeated
    trainings, if there is one."""

    rows: np.ndarray
    values: np.ndarray
    worth: np.ndarray
    winner: int | None


class Judge:
    """Judges what was tried on a ground.

    `worth`: (N, R, M) what a candidate is worth to who saw that training of it; `best`: the highest mean
    score; `whole`: the hypervolume of the table; `best_row`: the best by test, where there is one, else by
    its mean.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        values_NRM = np.stack([ground.last_scores, ground.last_costs], axis=2)
        is_there_NR = np.isfinite(values_NRM).all(axis=2)
        if ground.truth is None:
            self.worth = _mean_of_others(values_NRM, is_there_NR, ground.first_is_chosen_by)
            means_NM = _means(values_NRM, is_there_NR, ground.first_is_chosen_by)
        else:
            self.worth = np.broadcast_to(ground.truth[:, None], values_NRM.shape)
            means_NM = ground.truth.copy()
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
        found = [self._after(self._seen(tried, n)) for n in numbers]
        names = [name for name in FIGURES if self.ground.test is not None or not name.startswith("test")]
        return {name: np.array([figures[name] for figures in found]) for name in names}

    def _seen(self, tried: Tried, number: int) -> _Seen:
        """Of the first so many trainings. A candidate that was trained again is judged by what is left."""
        rows, trainings = np.array(tried.rows[:number]), np.array(tried.trainings[:number])
        if not number:
            rows = trainings = np.zeros(0, dtype=np.int64)
        _, first_D = np.unique(rows, return_index=True)
        first_D.sort()
        rows_D, training_D = rows[first_D], trainings[first_D]
        scores_D, costs_D = self.ground.scores[rows_D, training_D], self.ground.costs[rows_D, training_D]
        worth_DM = self.worth[rows_D, training_D].reshape(len(rows_D), 2)
        for row in np.unique(np.delete(rows, first_D)).tolist():
            own = np.unique(trainings[rows == row])
            worth_DM[rows_D == row] = self._worth_beside(row, own)
            scores_D[rows_D == row] = _mean_seen(self.ground.scores[row, trainings[rows == row]])
        values_DM = np.stack([scores_D, costs_D], axis=1)
        counts_D = self._is_open[rows_D] & np.isfinite(values_DM).all(axis=1)
        winner = tried.winner if number >= len(tried.rows) else None
        return _Seen(rows_D[counts_D], values_DM[counts_D], worth_DM[counts_D], winner)

    def _worth_beside(self, row: int, trainings: np.ndarray) -> np.ndarray:
        """(M,) what a candidate is worth to who saw these trainings of it; all, where none is left."""
        ground = self.ground
        if ground.truth is not None:
            return ground.truth[row]
        values_1RM = np.stack([ground.last_scores[row], ground.last_costs[row]], axis=1)[None]
        left_1R = np.isfinite(values_1RM).all(axis=2)
        all_1R = left_1R.copy()
        left_1R[:, trainings] = False
        kept_1R = left_1R if left_1R.any() else all_1R
        return _means(values_1RM, kept_1R, ground.first_is_chosen_by)[0]

    def _after(self, seen: _Seen) -> dict[str, float]:
        if not len(seen.rows):
            return {**dict.fromkeys(FIGURES, np.nan), "hypervolume_regret": self.whole}
        incumbent = int(np.argmax(seen.values[:, 0]))
        if seen.winner is not None:
            incumbent = int(np.flatnonzero(seen.rows == seen.winner)[0])
        front = pareto.front(seen.values, MAXIMIZE)
        found = {
            "score_regret": self.best - float(seen.worth[incumbent, 0]),
            "hypervolume_regret": self.whole - self._volume(seen.worth[front]),
        }
        if self.ground.test is not None:
            test = float(self.ground.test[seen.rows[incumbent]])
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


def _mean_seen(scores: np.ndarray) -> float:
    """What a search that saw these trainings of a candidate, its first one first, takes it for: one whose
    first training failed is no result, and repetitions that failed say nothing (`searching.repeats`)."""
    return float(np.nanmean(scores)) if np.isfinite(scores[0]) else np.nan


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
