"""What every predictor offers: fit on arrays of cells, predict for them, refuse what is no number.

Axes: N cells, B blocks, 4 = (first input, first operator, second input, second operator) as
`cells.SearchSpace.encode` gives it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

import numpy as np

from popnas.cells import SearchSpace
from popnas.errors import MissingExtraError, PredictorError
from popnas.evaluation import FitReport
from popnas.printable import counted
from popnas.registry import Registry

MIN_TARGETS = 3  # two to learn from while the third is held out


@dataclass(frozen=True)
class Prediction:
    """`mean` (N,) float64, finite; `spread` (N,) float64: an ensemble's standard deviation, or None."""

    mean: np.ndarray
    spread: np.ndarray | None = None


@dataclass(frozen=True)
class PredictorContext:
    """What every predictor is told of the search; each takes what it needs.

    `cells_stacked`: (N, B, 4) cells -> (N,) number of cells that the network really stacks; `operator_costs`
    (num_operators,): what `features.operator_costs` made of the times of the kind that is predicted (score:
    training time), in the order of `space.operators`; `num_models`: the size of an ensemble;
    `passing_operators`, `zero_operators`: names of those that pass their input on, and that give zeros;
    `earlier`: of each earlier search cells (N, B, 4) of this space and their scores (N,).
    """

    space: SearchSpace
    cells_stacked: Callable[[np.ndarray], np.ndarray]
    operator_costs: np.ndarray
    num_models: int = 5
    passing_operators: frozenset[str] = frozenset({"identity"})
    zero_operators: frozenset[str] = frozenset()
    earlier: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def __post_init__(self) -> None:
        assert self.operator_costs.shape == (len(self.space.operators),), self.operator_costs.shape
        assert self.num_models >= 1, self.num_models


class Predictor(ABC):
    """A surrogate of one objective.

    The prediction for a cell depends on the cell alone: not on the cells predicted with it, nor on the
    order of its blocks and of their halves. The same data and seed give the same predictor, whatever the
    number of threads: one that computes with torch does so on one.
    """

    objective: ClassVar[str]  # "score" or "time"
    library: ClassVar[str | None] = None  # of the extra "predictors", that it cannot do without
    learns_from_earlier: ClassVar[bool] = False  # whether it takes the context's cells of earlier searches

    def __init__(self, context: PredictorContext) -> None:
        self.check_library()
        self.context, self.space = context, context.space
        self._is_fitted = False

    @classmethod
    def check_library(cls) -> None:
        """Raises MissingExtraError: a package that it needs is not installed."""
        if cls.library is not None and find_spec(cls.library) is None:
            raise MissingExtraError(f"the predictor '{name_of(cls)}'", "predictors", cls.library)

    def fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, *, seed: int) -> FitReport:
        """Learn from evaluated cells (successful ones only), forgetting any earlier fit.

        Raises:
            PredictorError: fewer than `MIN_TARGETS` cells, or a target that is no finite number.
        """
        cells_NB4 = np.asarray(cells_NB4)
        targets_N = np.asarray(targets_N, dtype=np.float64)
        self._check(cells_NB4)
        if targets_N.shape != cells_NB4.shape[:1]:
            raise PredictorError(
                f"{counted(len(cells_NB4), 'cell')} need as many targets. Got shape "
                f"{targets_N.shape} instead."
            )
        if len(targets_N) < MIN_TARGETS:
            raise PredictorError(
                f"a {self.objective} predictor needs at least {MIN_TARGETS} evaluated cells. "
                f"Got {len(targets_N)} instead: too few candidates succeeded."
            )
        wrong = np.flatnonzero(~np.isfinite(targets_N))
        if len(wrong):
            cell = self.space.decode(cells_NB4[wrong[:1]])[0]
            raise PredictorError(
                f"targets of a {self.objective} predictor must be finite numbers. Got {targets_N[wrong[0]]} "
                f"for {cell} ({len(wrong)} of {len(targets_N)} are not finite)."
            )
        report = self._fit(cells_NB4, targets_N, seed)
        self._is_fitted = True
        return report

    def predict(self, cells_NB4: np.ndarray, *, parents: np.ndarray | None = None) -> Prediction:
        """Predict for each cell.

        `parents` (N,) int is a hint that saves time and changes no result: cells with equal numbers are of
        equal length and have all blocks but the last in common, as `cells.bulk.expand` makes them
        (`expansion.cells`, `expansion.parent`).

        Raises:
            PredictorError: not fitted yet, or a prediction is no finite number.
        """
        cells_NB4 = np.asarray(cells_NB4)
        if not self._is_fitted:
            raise PredictorError(f"the {self.objective} predictor must be fitted before it predicts.")
        self._check(cells_NB4)
        prediction = self._predict(cells_NB4, parents)
        for values in (prediction.mean, prediction.spread):
            if values is not None and not np.isfinite(values).all():
                wrong = int(np.flatnonzero(~np.isfinite(values))[0])
                cell = self.space.decode(cells_NB4[[wrong]])[0]
                raise PredictorError(f"the {self.objective} predictor gave {values[wrong]} for {cell}.")
        return prediction

    def _check(self, cells_NB4: np.ndarray) -> None:
        assert cells_NB4.ndim == 3 and cells_NB4.shape[2] == 4, cells_NB4.shape

    @abstractmethod
    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        """Fit on checked input."""

    @abstractmethod
    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        """Predict; the caller checks that the result is finite."""


class ScorePredictor(Predictor):
    """A predictor of the score, an accuracy or the like."""

    objective = "score"


class TimePredictor(Predictor):
    """A predictor of training or inference seconds."""

    objective = "time"


REGISTRY: Registry[type[Predictor]] = Registry("predictor", "popnas.predictors", "popnas.predictors")


def names_of(objective: str) -> list[str]:
    """The predictors of "score" or "time"."""
    return [name for name, predictor in REGISTRY.items() if predictor.objective == objective]


def name_of(kind: type[Predictor]) -> str:
    """The name by which a configuration chooses a predictor."""
    return next((name for name, predictor in REGISTRY.items() if predictor is kind), kind.__name__)
