"""Which fields do nothing once the search is over, per kind of training that follows it.

Model selection and final training take a partial configuration over the run's own. It may hold any field,
since the same file serves both and POPNAS's own files do; what a stage does not look at, it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from popnas.config.run_config import RunConfig
from popnas.errors import Problem
from popnas.records import Json, JsonValue

Stage = Literal["model_selection", "final_training"]

_SEARCH_ONLY = "is for the search, which is over"
_BOTH: dict[str, str] = {
    "search_space": _SEARCH_ONLY,
    "search_strategy.max_children": _SEARCH_ONLY,
    "search_strategy.max_exploration_children": _SEARCH_ONLY,
    "search_strategy.score_share": _SEARCH_ONLY,
    "search_strategy.rounds": _SEARCH_ONLY,
    "search_strategy.random_children": _SEARCH_ONLY,
    "search_strategy.single_block_repeats": _SEARCH_ONLY,
    "search_strategy.growth_share": _SEARCH_ONLY,
    "search_strategy.untrained_parents": _SEARCH_ONLY,
    "search_strategy.repeats": _SEARCH_ONLY,
    "search_strategy.additional_pareto_objectives": _SEARCH_ONLY,
    "search_strategy.constraints": _SEARCH_ONLY,
    "architecture_hyperparameters.multi_output": (
        "is for the search: networks trained after it always have a second head two thirds of the way"
    ),
    "dataset.inference_batch_size": "is for the search, which alone measures inference",
    "others.accuracy_predictor_ensemble_units": _SEARCH_ONLY,
    "others.predictors": _SEARCH_ONLY,
    "others.evaluator": _SEARCH_ONLY,
    "others.predictions_batch_size": _SEARCH_ONLY,
    "others.save_children_weights": "is for the search: what is trained after it always keeps its weights",
    "others.save_children_models": "is for the search: what is trained after it is always exported",
    "others.pnas_mode": _SEARCH_ONLY,
    "others.max_candidate_seconds": "is for the search; others.max_hours limits what follows it",
    "others.confirm": _SEARCH_ONLY,
}
_MAPPINGS = ("search_strategy.constraints", "dataset.class_labels_remapping")
IGNORED: dict[Stage, dict[str, str]] = {
    "model_selection": _BOTH,
    "final_training": {
        **_BOTH,
        "dataset.folds": "is for search and model selection: final training learns from all examples, once",
        "others.selection_seeds": "is for model selection: final training trains its network once",
        "others.selection_budget": "is for model selection: final training trains one network",
        "search_strategy.score_metric": "chooses among epochs: final training keeps the last one",
        "others.executor": "is for several networks at once: final training runs in its own process",
    },
}
"""Places of fields, or of whole sections, with why they do nothing in the stage."""


def warnings(run: RunConfig, config: RunConfig, stage: Stage) -> list[str]:
    """One sentence for each field that `config` changes from the run's own, although the stage ignores it."""
    given, own = dict(leaves(config.to_json())), dict(leaves(run.to_json()))
    found = []
    for place, value in given.items():
        reason = reason_ignored(place, stage)
        if reason is not None and own.get(place) != value:
            found.append(str(Problem(place, value, f"has no effect here: it {reason}.")))
    return found


def reason_ignored(place: str, stage: Stage) -> str | None:
    """Why the field at a place does nothing in a stage; None if it does something."""
    for ignored, reason in IGNORED[stage].items():
        if place == ignored or place.startswith(f"{ignored}."):
            return reason
    return None


def leaves(node: Json, prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every field with its value; a mapping of the user's own keys counts as one value."""
    for key, value in node.items():
        place = f"{prefix}{key}"
        if isinstance(value, Mapping) and place not in _MAPPINGS:
            yield from leaves(value, f"{place}.")
        else:
            yield place, value
