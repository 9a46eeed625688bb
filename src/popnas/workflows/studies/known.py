"""What is known of cells, whatever it was read from.

Axes: N cells, R trainings of each, O operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from popnas.cells import SearchSpace, bulk
from popnas.predictors import PredictorContext

OBJECTIVES = ("score", "time", "inference_time")


@dataclass(frozen=True)
class KnownCells:
    """Cells and one objective of theirs.

    Attributes:
        name: of the run or table, another one for each source of a study.
        metric: which one the score is; None of other objectives.
        space: of the cells.
        cells: (N, B, 4), failed ones left out.
        values: (N, R) of the trainings, NaN where there is none.
        costs: (O,) what operators cost (docs/search.md).
        cells_stacked: see `PredictorContext`.
        chosen_by: (N,) str, of a run what each was trained for ("front", "exploration", "random"); None: all
            of a step are alike, and a sample of them is drawn.
        num_models, passing, zero: see `PredictorContext`.
    """

    name: str
    space: SearchSpace
    cells: np.ndarray
    values: np.ndarray
    costs: np.ndarray
    cells_stacked: Callable[[np.ndarray], np.ndarray]
    metric: str | None = None
    chosen_by: np.ndarray | None = None
    num_models: int = 5
    passing: frozenset[str] = frozenset({"identity"})
    zero: frozenset[str] = frozenset()

    @property
    def num_blocks(self) -> np.ndarray:
        """(N,) of each cell: the step that it belongs to."""
        return bulk.num_blocks(self.cells)

    @property
    def truth(self) -> np.ndarray:
        """(N,) the mean over trainings."""
        return np.asarray(np.nanmean(self.values, axis=1))

    def of_one_training(self, rng: np.random.Generator) -> np.ndarray:
        """(N,) the value of one training of each, as a search sees it."""
        is_there = np.isfinite(self.values)
        drawn = rng.integers(0, is_there.sum(axis=1))
        place = (np.cumsum(is_there, axis=1) <= drawn[:, None]).sum(axis=1)
        return np.asarray(self.values[np.arange(len(self.values)), place])

    def context(self) -> PredictorContext:
        """What predictors are told."""
        return PredictorContext(
            self.space, self.cells_stacked, self.costs, self.num_models, self.passing, self.zero
        )
