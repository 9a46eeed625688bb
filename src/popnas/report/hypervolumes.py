"""How much of the objectives' space the trained cells dominate.

All objectives are scaled to [0, 1] over all evaluations of the runs compared, with the worst corner as
reference (docs/search.md, "Seeds, repeatability, resume").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popnas.evaluation import Evaluation
from popnas.objectives import Objective
from popnas.pareto import normalized_hypervolume
from popnas.report.run_data import RunData


@dataclass(frozen=True)
class StepVolume:
    """A step's hypervolume: of its own cells `alone`, and of all cells `so_far`."""

    step: int
    alone: float
    so_far: float


def values(evaluations: Sequence[Evaluation], objectives: Sequence[Objective]) -> np.ndarray:
    """(N, M) values of those evaluations that have all of them."""
    rows = [[objective.value(item) for objective in objectives] for item in evaluations]
    whole = [row for row in rows if all(value is not None and np.isfinite(value) for value in row)]
    return np.array(whole, dtype=np.float64).reshape(len(whole), len(objectives))


def of_runs(runs: Sequence[RunData], objectives: Sequence[Objective]) -> list[list[StepVolume]]:
    """Per run its steps' hypervolumes, on one scale for all of them, so that they can be compared."""
    sets: list[np.ndarray] = []
    places: list[list[int]] = []
    for run in runs:
        successes = run.state.successes
        steps = sorted({item.step for item in successes})
        places.append(steps)
        for step in steps:
            sets.append(values([item for item in successes if item.step == step], objectives))
            sets.append(values([item for item in successes if item.step <= step], objectives))
    figures = iter(normalized_hypervolume(sets, [item.is_maximized for item in objectives]) if sets else [])
    return [[StepVolume(step, next(figures), next(figures)) for step in steps] for steps in places]


def per_step(run: RunData) -> list[StepVolume]:
    """The run's own hypervolumes, scaled over its own evaluations."""
    return of_runs([run], run.objectives)[0]
