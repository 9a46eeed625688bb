"""Settings that have no effect where they stand; a run warns about each and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

from popnas import objectives
from popnas.config.declarations import Section
from popnas.config.names import Facts
from popnas.config.rules import no_effect
from popnas.errors import Problem
from popnas.printable import counted
from popnas.records import JsonValue


@no_effect("dataset.type", "others.evaluator")
def _unused_by_task_and_evaluator(facts: Facts) -> Iterator[Problem]:
    for place, sentence in facts.unused_settings.items():
        *sections, key = place.split(".")
        section = reduce(getattr, sections, facts.config)
        value = getattr(section, key)
        if (
            value != _default(section, key)
            and not _follows(section, key)
            and not _is_for_others(facts, place)
        ):
            yield Problem(place, value.model_dump() if isinstance(value, Section) else value, sentence)


@no_effect("dataset")
def _rescale_then_normalize(facts: Facts) -> Iterator[Problem]:
    dataset = facts.config.dataset
    if dataset.rescale and dataset.normalize and not _is_unused(facts, "dataset.rescale"):
        yield Problem("dataset.rescale", True, "has no effect beside dataset.normalize, which undoes it.")


@no_effect("dataset.type", "dataset.data_augmentation")
def _augmentation(facts: Facts) -> Iterator[Problem]:
    if facts.config.dataset.data_augmentation.enabled:
        return
    for place, value in _augmentations(facts).items():
        if value:  # what only keeps something off is there for the stages that switch augmentation on
            yield Problem(
                place,
                value,
                "does nothing until data_augmentation.enabled is true, which the usual presets of model "
                "selection and final training make it.",
            )


def _augmentations(facts: Facts) -> dict[str, JsonValue]:
    """The fields beside `enabled` that are not at their default and mean something here, by place."""
    section = facts.config.dataset.data_augmentation
    given = {key: value for key, value in section if key != "enabled" and value != _default(section, key)}
    places = {f"dataset.data_augmentation.{key}": value for key, value in given.items()}
    return {place: value for place, value in places.items() if not _is_unused(facts, place)}


def _is_for_others(facts: Facts, place: str) -> bool:
    """Whether a field that does nothing by itself makes others do something."""
    return place == "dataset.data_augmentation.enabled" and bool(_augmentations(facts))


def _is_unused(facts: Facts, place: str) -> bool:
    return place in facts.unused_settings


@no_effect("others.pnas_mode", "search_strategy")
def _pnas_mode(facts: Facts) -> Iterator[Problem]:
    strategy = facts.config.search_strategy
    if not facts.config.others.pnas_mode:
        return
    if strategy.additional_pareto_objectives:
        yield Problem(
            "search_strategy.additional_pareto_objectives",
            list(strategy.additional_pareto_objectives),
            "is ignored in PNAS mode, which searches by score alone.",
        )
    if strategy.max_exploration_children:
        yield Problem(
            "search_strategy.max_exploration_children",
            strategy.max_exploration_children,
            "is ignored in PNAS mode, which does not explore.",
        )
    if strategy.score_share:
        yield Problem(
            "search_strategy.score_share",
            strategy.score_share,
            "is ignored in PNAS mode, which trains the best predicted scores alone.",
        )


@no_effect("search_space", "search_strategy")
def _few_steps(facts: Facts) -> Iterator[Problem]:
    strategy, blocks = facts.config.search_strategy, facts.config.search_space.blocks
    exploration = strategy.max_exploration_children
    if blocks <= 2 and exploration and exploration != _default(strategy, "max_exploration_children"):
        yield Problem(
            "search_strategy.max_exploration_children",
            exploration,
            f"has no effect with search_space.blocks {blocks}: steps 2 to the last but one explore.",
        )
    if blocks == 2:
        yield from _nothing_between(facts)
    if blocks > 1:
        return
    for key in _OF_LATER_STEPS:
        if (value := getattr(strategy, key)) != _default(strategy, key):
            yield Problem(
                f"search_strategy.{key}",
                value,
                "has no effect with search_space.blocks 1: nothing is grown.",
            )


_OF_LATER_STEPS = (
    "max_children",
    "score_share",
    "rounds",
    "random_children",
    "growth_share",
    "untrained_parents",
    "constraints",
)


def _nothing_between(facts: Facts) -> Iterator[Problem]:
    """With two blocks step 2 is the last."""
    strategy = facts.config.search_strategy
    if strategy.growth_share != _default(strategy, "growth_share"):
        yield Problem(
            "search_strategy.growth_share",
            strategy.growth_share,
            "has no effect with search_space.blocks 2: no step lies between the first and the last.",
        )
    if strategy.untrained_parents and not strategy.single_block_repeats:
        yield Problem(
            "search_strategy.untrained_parents",
            strategy.untrained_parents,
            "has no effect with search_space.blocks 2 and search_strategy.single_block_repeats 0: step 1 "
            "trains all that step 2 grows.",
        )


@no_effect("search_space.blocks", "search_strategy", "others")
def _predictor_settings(facts: Facts) -> Iterator[Problem]:
    others = facts.config.others
    units = others.accuracy_predictor_ensemble_units
    if facts.config.search_space.blocks == 1 and units != _default(
        others, "accuracy_predictor_ensemble_units"
    ):
        yield Problem(
            "others.accuracy_predictor_ensemble_units",
            units,
            "has no effect with search_space.blocks 1: nothing is predicted.",
        )
    yield from _unused_predictors(facts)
    if others.predictions_batch_size != _default(others, "predictions_batch_size"):
        yield Problem(
            "others.predictions_batch_size",
            others.predictions_batch_size,
            "has no effect: predictions choose their batches themselves, and no result depends on them.",
        )


def _unused_predictors(facts: Facts) -> Iterator[Problem]:
    """Predictors that were chosen for what is not predicted."""
    config = facts.config
    chosen = config.others.predictors
    if config.search_space.blocks == 1 and chosen.earlier_runs:
        yield Problem(
            "others.predictors.earlier_runs",
            chosen.earlier_runs,
            "has no effect with search_space.blocks 1: nothing is predicted.",
        )
    wanted = config.wanted_objectives
    for objective in ("score", "time"):
        reason = None
        if config.search_space.blocks == 1:
            reason = "with search_space.blocks 1: nothing is predicted"
        elif objective == "time" and not any(row.name in wanted for row in objectives.measured(wanted)):
            reason = "without an objective of time or a constraint on it"
        if reason and (name := getattr(chosen, objective)) != _default(chosen, objective):
            yield Problem(f"others.predictors.{objective}", name, f"has no effect {reason}.")


def _default(section: Section, key: str) -> Any:
    """The default of a field: a search that leaves it alone is not told about it."""
    return type(section).model_fields[key].get_default(call_default_factory=True)


def _follows(section: Section, key: str) -> bool:
    """Whether a field has the value that another one gave it."""
    return key == "val_test_batch_size" and getattr(section, key) == section.batch_size  # type: ignore[attr-defined]


@no_effect("search_space.lookback_depth", "architecture_hyperparameters.lookback_reshape")
def _lookback_reshape(facts: Facts) -> Iterator[Problem]:
    if (
        facts.config.search_space.lookback_depth == 1
        and facts.config.architecture_hyperparameters.lookback_reshape
    ):
        yield Problem(
            "architecture_hyperparameters.lookback_reshape",
            True,
            "has no effect with search_space.lookback_depth 1: no lookback is larger than the output.",
        )


@no_effect("others.executor")
def _workers_of_one(facts: Facts) -> Iterator[Problem]:
    executor = facts.config.others.executor
    is_alone = facts.names is not None and executor.kind in facts.names.one_at_a_time
    if is_alone and (executor.workers or 1) > 1:
        yield Problem(
            "others.executor.workers",
            executor.workers,
            f"has no effect: the executor '{executor.kind}' evaluates one at a time; choose 'processes'.",
        )


@no_effect("others")
def _workers_per_gpu(facts: Facts) -> Iterator[Problem]:
    executor, strategy = facts.config.others.executor, facts.config.others.train_strategy
    if executor.workers_per_gpu is None:
        return
    is_alone = facts.names is not None and executor.kind in facts.names.one_at_a_time
    if is_alone:
        why = f"the executor '{executor.kind}' evaluates one at a time; choose 'processes'"
    elif strategy == "CPU":
        why = "others.train_strategy 'CPU' takes no GPU"
    elif executor.kind == "processes" and executor.workers is not None:
        why = f"the {counted(executor.workers, 'worker')} of others.executor.workers take the GPUs in turn"
    else:
        return
    yield Problem("others.executor.workers_per_gpu", executor.workers_per_gpu, f"has no effect: {why}.")


@no_effect("others")
def _compilation(facts: Facts) -> Iterator[Problem]:
    others = facts.config.others
    if others.enable_XLA_compilation and others.train_strategy == "CPU":
        yield Problem(
            "others.enable_XLA_compilation",
            True,
            "has no effect on a CPU: a compiled network trains slower there, and compiling takes most of a "
            "minute.",
        )
