"""What a comparison came to, over all seeds: figures within each budget, and curves.

Axes: T trials of a method, P points of a curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from popnas.records import Json, Record
from popnas.workflows.tables.comparing.folder import Compared
from popnas.workflows.tables.comparing.judging import Judge, SeedMean
from popnas.workflows.tables.comparing.request import WALKS, CompareRequest
from popnas.workflows.tables.comparing.trial import Trial, Tried

AXES = ("networks", "seconds")
_NUM_POINTS = 60


@dataclass(frozen=True)
class Reading(Record):
    """A method within a budget.

    `axis`: of `AXES`, in which the budget `at` is; `networks`, `seconds`: means of what was used of it;
    `figures`: by name (`judging.FIGURES`), those that every seed has.
    """

    method: str
    axis: str
    at: float
    networks: float
    seconds: float
    figures: Mapping[str, SeedMean]


@dataclass(frozen=True)
class ComparisonResult(Record):
    """All of it.

    Attributes:
        folder: where it lies, with plots and curves.
        facts: of the table.
        request: what was compared, with the budgets in seconds.
        best: the highest mean score of the table.
        hypervolume: of all its means.
        test: the best test figure in percent, None where there is none.
        readings: by method and budget.
        everything: figures of who sees the whole table once.
        networks_to_best: by method in how many networks it evaluated the best candidate (by test where there
            is one), the median over seeds; None where half of them did not.
    """

    folder: str
    facts: Json
    request: CompareRequest
    best: float
    hypervolume: float
    test: float | None
    readings: list[Reading]
    everything: Mapping[str, SeedMean]
    networks_to_best: Mapping[str, float | None]


@dataclass(frozen=True)
class Curve95:
    """One figure of a method along an axis: (P,) budgets, means, and the ends of their intervals."""

    method: str
    axis: str
    figure: str
    at: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Results:
    """Reads what was tried with a judge."""

    def __init__(self, compared: Compared, request: CompareRequest, judge: Judge) -> None:
        self._compared, self.request, self._judge = compared, request, judge

    def result(self, folder: str, facts: Json) -> ComparisonResult:
        """All figures; every trial must be there."""
        request, judge = self.request, self._judge
        seeds = range(request.seed, request.seed + request.seeds)
        every = [judge.everything(seed) for seed in seeds]
        test = judge.ground.test
        return ComparisonResult(
            folder=folder,
            facts=facts,
            request=request,
            best=judge.best,
            hypervolume=judge.whole,
            test=None if test is None else float(test.max()),
            readings=[*self._readings()],
            everything=_intervals([judge.figures(tried, [len(tried.rows)]) for tried in every]),
            networks_to_best={name: self._networks_to_best(name) for name in request.names},
        )

    def _readings(self) -> list[Reading]:
        found = []
        for name in self.request.names:
            for at in self.request.networks:
                tried_T = self._tried(name, at)
                numbers_T = [min(at, len(tried.rows)) for tried in tried_T]
                found.append(self._reading(name, "networks", at, tried_T, numbers_T))
            for seconds in self.request.seconds:
                tried_T = self._tried(name, max(self.request.networks))
                numbers_T = [self._judge.numbers_within(tried, [seconds])[0] for tried in tried_T]
                found.append(self._reading(name, "seconds", seconds, tried_T, numbers_T))
        return found

    def _reading(
        self, name: str, axis: str, at: float, tried_T: Sequence[Tried], numbers_T: Sequence[int]
    ) -> Reading:
        pairs = list(zip(tried_T, numbers_T, strict=True))
        spent = [self._judge.spent_seconds(tried, number) for tried, number in pairs]
        figures = _intervals([self._judge.figures(tried, [number]) for tried, number in pairs])
        return Reading(name, axis, float(at), float(np.mean(numbers_T)), float(np.mean(spent)), figures)

    def curves(self) -> list[Curve95]:
        """Of every method; of those that are planned for a budget the one planned for the largest."""
        return [curve for name in self.request.names for axis in AXES for curve in self._curves(name, axis)]

    def _curves(self, name: str, axis: str) -> list[Curve95]:
        tried_T = self._tried(name, max(self.request.networks))
        budgets = self.request.networks if axis == "networks" else self.request.seconds
        at_P = np.linspace(0, max(budgets), _NUM_POINTS + 1)[1:]
        if axis == "networks":
            at_P = np.unique(np.round(at_P))
            within = [np.minimum(at_P, len(tried.rows)).astype(int).tolist() for tried in tried_T]
        else:
            within = [self._judge.numbers_within(tried, at_P.tolist()) for tried in tried_T]
        figures_T = [
            self._judge.figures(tried, numbers) for tried, numbers in zip(tried_T, within, strict=True)
        ]
        found = []
        for figure in figures_T[0]:
            values_TP = np.stack([figures[figure] for figures in figures_T])
            is_whole_P = np.isfinite(values_TP).all(axis=0)
            ends = [SeedMean.of(values_T) for values_T in values_TP[:, is_whole_P].T]
            mean, low, high = (
                np.array([getattr(end, part) for end in ends], dtype=np.float64)
                for part in ("mean", "low", "high")
            )
            found.append(Curve95(name, axis, figure, at_P[is_whole_P], mean, low, high))
        return found

    def _tried(self, name: str, networks: int) -> list[Tried]:
        """Of each seed, what answers for a budget."""
        planned_for = None if name in WALKS else networks
        seeds = range(self.request.seed, self.request.seed + self.request.seeds)
        return [self._compared.tried[Trial(name, seed, planned_for).name] for seed in seeds]

    def _networks_to_best(self, name: str) -> float | None:
        best = self._judge.best_row
        needed = [
            tried.rows.index(best) + 1 if best in tried.rows else np.inf
            for tried in self._tried(name, max(self.request.networks))
        ]
        median = float(np.median(needed))
        return median if np.isfinite(median) else None


def _intervals(figures_T: Sequence[Mapping[str, np.ndarray]]) -> dict[str, SeedMean]:
    """Of one value per trial and name; without names of which a trial has none."""
    values = {name: np.array([figures[name][0] for figures in figures_T]) for name in figures_T[0]}
    return {name: SeedMean.of(found) for name, found in values.items() if np.isfinite(found).all()}
