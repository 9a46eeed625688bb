"""Which candidates of a step are trained: constraints, front, best scores, exploration, a few at random.

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
from popnas.seeds import derive_seed
from popnas.strategy.exploration import explore
from popnas.strategy.rounding import round_significant
from popnas.strategy.settings import StrategySettings


@dataclass(frozen=True)
class Selection:
    """What a step trains, as positions among the candidates.

    Attributes:
        front: at most K of the Pareto front (PNAS mode: the K best), in the order in which they are trained;
            then, with `score_share`, the best scores beside them.
        exploration: the exploration cells, in the order in which they were taken.
        random: those that were drawn, whatever is predicted of them.
        front_size: the size of the whole front, before K cut it (PNAS mode: the number of candidates).
        predictions: per objective the values (N,) that were compared: rounded where predicted, exact where
            computed.
    """

    front: np.ndarray
    exploration: np.ndarray
    random: np.ndarray
    front_size: int
    predictions: dict[str, np.ndarray]


def select(
    canonical_NB4: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    space: SearchSpace,
    settings: StrategySettings,
    step: int,
    round_number: int = 0,
) -> Selection:
    """Select what a round of step b trains, from the predictions (N,) of every active and constrained
    objective.

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
    quota = settings.quota(round_number, is_last=step == space.num_blocks)
    chosen = taken(is_on_front, quota.children, quota.by_score)
    explored = np.zeros(0, dtype=np.int64)
    if quota.exploration:
        ordered_NB4 = canonical_NB4[candidates]
        explored = explore(ordered_NB4, values, maximize, chosen, space, step, quota.exploration)
    drawn = _drawn(len(candidates), np.concatenate([chosen, explored]), quota.random, settings.seed, step)
    return Selection(
        candidates[chosen], candidates[explored], candidates[drawn], int(is_on_front.sum()), compared
    )


def taken(is_on_front_N: np.ndarray, children: int, by_score: int | None) -> np.ndarray:
    """The positions of at most `children` candidates, which are ordered by their score: of the front, and
    `by_score` or more of the best scores beside them until there are so many; None: of the front alone."""
    front = np.flatnonzero(is_on_front_N)
    if by_score is None:
        return front[:children]
    chosen = front[: max(children - by_score, 0)]
    is_left_N = np.ones(len(is_on_front_N), dtype=bool)
    is_left_N[chosen] = False
    return np.concatenate([chosen, np.flatnonzero(is_left_N)[: children - len(chosen)]])


def best_left(
    canonical_NB4: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    space: SearchSpace,
    settings: StrategySettings,
) -> np.ndarray:
    """The positions of the best predicted scores within the constraints: `untrained_parents` of them at most.

    Raises:
        PredictorError: as `select`.
    """
    compared = _comparable(canonical_NB4, predictions, space, settings)
    candidates = _ordered(canonical_NB4, compared["score"])
    candidates = candidates[_is_allowed(compared, settings)[candidates]]
    return candidates[: settings.untrained_parents]


def _drawn(num_candidates: int, chosen: np.ndarray, number: int, seed: int, step: int) -> np.ndarray:
    """So many positions of those that are not chosen, drawn evenly."""
    if number == 0:  # sorting all candidates for nothing takes as long as their front
        return np.zeros(0, dtype=np.int64)
    left = np.setdiff1d(np.arange(num_candidates), chosen)
    rng = np.random.default_rng(derive_seed(seed, "random children", step))
    return rng.permutation(left)[:number]


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
