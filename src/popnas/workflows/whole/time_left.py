"""How long a whole job still takes once its search is over: from the wall times of what it has trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.evaluators.training.placing import num_workers
from popnas.runs import RunState
from popnas.workflows.whole.budget import LEAST_SHARE, STAGE_OVERHEAD


def words(seconds: float | None, limit: float | None = None) -> str | None:
    """The time left for a line on a terminal; without an honest estimate what `limit` allows, or nothing."""
    if seconds is None:
        return None if limit is None else f"whole job: at most {_shown(limit)} left (max_hours)"
    return f"whole job: about {_shown(seconds)} left"


def _shown(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.0f} min"


def from_selection(
    state: RunState,
    searched: dict[str, Any],
    flops: Mapping[Cell, Sequence[float]],
    selected: RunConfig,
    trained: RunConfig,
) -> float | None:
    """Wall seconds from the start of model selection to the end, if an epoch takes as long as in the search,
    whose configuration (JSON) is `searched`; None if that has no time of a cell.

    `flops`: of the networks that selection trains of each cell, best cell first; the first of each is the
    one that the search trained, and others take longer as they have more.
    """
    epochs = []
    for cell, networks in flops.items():
        seconds = _epoch_seconds(state, cell, searched)
        if seconds is None:
            return None
        epochs.append([seconds * max(found / networks[0], LEAST_SHARE) for found in networks])
    if not epochs:
        return None
    every = [seconds for networks in epochs for seconds in networks]
    workers = min(num_workers(selected), len(every))
    together = max(sum(every) / workers, max(every)) * selected.training_hyperparameters.epochs
    alone = sum(epochs[0]) / len(epochs[0])  # which of them will be the best is not known
    alone *= whole_share(state) * trained.training_hyperparameters.epochs
    return together + STAGE_OVERHEAD + from_training(alone)


def from_training(training_seconds: float, beside: float = STAGE_OVERHEAD) -> float:
    """Wall seconds from the start of final training to the end, of which its epochs take so many; `beside`:
    what the stage before took beside its epochs, on a machine as busy as this one."""
    return training_seconds + max(beside, 1.0) + from_evaluation(beside)


def from_evaluation(beside: float = STAGE_OVERHEAD) -> float:
    """Wall seconds of the evaluation: start-up, data, one pass over the test data and the report; about what
    the stage before took `beside` its epochs."""
    return max(beside, 1.0)


def whole_share(state: RunState) -> float:
    """Training and validation examples together against the training examples alone."""
    sizes = (state.data or {}).get("sizes") or {"train": 1, "validation": 0}
    return float((sizes["train"] + sizes["validation"]) / sizes["train"])


def _epoch_seconds(state: RunState, cell: Cell, searched: dict[str, Any]) -> float | None:
    canonical = str(cell.canonical())
    walls = [item.wall_seconds for item in state.evaluations if item.cell == canonical]
    if not walls or walls[0] is None:
        return None
    num_epochs = searched["training_hyperparameters"]["epochs"] * searched["dataset"]["folds"]
    return float(walls[0]) / num_epochs
