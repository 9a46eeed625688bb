"""Which candidates of a step are trained: constraints, front, exploration.

N candidates, in canonical form and without equivalents; b blocks each. Everywhere candidates are ordered by
decreasing predicted score, then by canonical form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from popnas import pareto
from popnas.cells import SearchSpace, bulk
from popnas.errors import PredictorError
from popnas.printable import counted
from popnas.strategy.exploration import explore
from popnas.strategy.rounding import round_significant
from popnas.strategy.settings import StrategySettings


@dataclass(frozen=True)
class Selection:
    """What a step trains, as positions among the candidates.

    Attributes:
        front: at most K of the Pareto front (PNAS mode: the K best), in the order in which they are trained;
            then, where it is to be filled, the best scores beside it.
        exploration: the exploration cells, in the order in which they were taken.
        front_size: the size of the whole front, before K cut it (PNAS mode: the number of candidates).
        predictions: per objective the values (N,) that were compared: rounded where predicted, exact where
            computed.
    """

    front: np.ndarray
    exploration: np.ndarray
    front_size: int
    predictions: dict[str, np.ndarray]


def select(
    canonical_NB4: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    space: SearchSpace,
    settings: StrategySettings,
    step: int,
) -> Selection:
    """Select what step b trains, from the predictions (N,) of every active and constrained objective.

    Raises:
        PredictorError: a prediction is missing, of the wrong length or not finite.
    """
    compared = _comparable(canonical_NB4, predictions, space, settings)
    candidates = _ordered(canonical_NB4, compared["score"])
    candidates = candidates[_is_allowed(compared, settings)[candidates]]
    maximize = [objective.is_maximized for objective in settings.active_objectives]
    values = np.stack([compared[item.name][candidates] for item in settings.active_objectives], axis=1)
    # In PNAS mode the front is all there is: candidates of equal score are different cells, each worth
    # training.
    is_on_front = np.ones(len(candidates), dtype=bool) if settings.is_pnas else pareto.front(values, maximize)
    front = np.flatnonzero(is_on_front)
    if settings.fill_front:
        front = np.concatenate([front, np.flatnonzero(~is_on_front)])
    chosen = front[: settings.max_children]
    explored = np.zeros(0, dtype=np.int64)
    if settings.max_exploration_children > 0 and step < space.num_blocks and not settings.is_pnas:
        ordered_NB4 = canonical_NB4[candidates]
        explored = explore(
            ordered_NB4, values, maximize, chosen, space, step, settings.max_exploration_children
        )
    return Selection(candidates[chosen], candidates[explored], int(is_on_front.sum()), compared)


def _comparable(
    canonical_NB4: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    space: SearchSpace,
    settings: StrategySettings,
) -> dict[str, np.ndarray]:
    compared = {}
    for objective in settings.required_predictions:
        if objective.name not in predictions:
            raise PredictorError(
                f"selection needs predictions of '{objective.name}', but got {sorted(predictions)}"
            )
        values = np.asarray(predictions[objective.name])
        if values.shape != (len(canonical_NB4),):
            raise PredictorError(
                f"'{objective.name}' needs {len(canonical_NB4)} predictions. Got {values.shape}"
            )
        _check_finite(objective.name, values, canonical_NB4, space)
        compared[objective.name] = values if objective.is_computed else round_significant(values)
    return compared


def _check_finite(name: str, values: np.ndarray, canonical_NB4: np.ndarray, space: SearchSpace) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        cell = space.decode(canonical_NB4[wrong[:1]])[0]
        raise PredictorError(
            f"the predicted {name} of {len(wrong)} of {counted(len(values), 'candidate')} is not finite: "
            f"{values[wrong[0]]} for {cell}"
        )


def _ordered(canonical_NB4: np.ndarray, score_N: np.ndarray) -> np.ndarray:
    by_form = bulk.order(canonical_NB4)
    return by_form[np.argsort(-score_N[by_form], kind="stable")]


def _is_allowed(compared: Mapping[str, np.ndarray], settings: StrategySettings) -> np.ndarray:
    is_allowed = np.ones(len(compared["score"]), dtype=bool)
    for name, (least, greatest) in settings.constraints.items():
        is_allowed &= (compared[name] >= least) & (compared[name] <= greatest)
    return is_allowed
