"""Settings that have no effect where they stand; a run warns about each and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from popnas import objectives
from popnas.config.declarations import Section
from popnas.config.names import Facts
from popnas.config.rules import no_effect
from popnas.errors import Problem

_SERIES = "time_series_classification"
_SEGMENTATION = "image_segmentation"


@no_effect("dataset")
def _series_settings(facts: Facts) -> Iterator[Problem]:
    dataset = facts.config.dataset
    if facts.task is None or facts.task.num_dims == 1:
        return
    for key, is_set in (("rescale", dataset.rescale), ("normalize", dataset.normalize)):
        if is_set:
            yield Problem(
                f"dataset.{key}", True, "has no effect on images (they are scaled to 0..1); it is for series."
            )


@no_effect("dataset")
def _rescale_then_normalize(facts: Facts) -> Iterator[Problem]:
    dataset = facts.config.dataset
    if dataset.type == _SERIES and dataset.rescale and dataset.normalize:
        yield Problem("dataset.rescale", True, "has no effect beside dataset.normalize, which undoes it.")


@no_effect("dataset")
def _image_settings(facts: Facts) -> Iterator[Problem]:
    dataset = facts.config.dataset
    if facts.task is None or facts.task.num_dims == 2:
        return
    if dataset.data_augmentation.enabled:
        yield Problem("dataset.data_augmentation", True, "has no effect on series; it is for images.")
    if dataset.resize is not None:
        yield Problem(
            "dataset.resize", dataset.resize.model_dump(), "has no effect on series; it is for images."
        )


@no_effect("dataset.type", "dataset.data_augmentation")
def _cutout(facts: Facts) -> Iterator[Problem]:
    augmentation = facts.config.dataset.data_augmentation
    if augmentation.use_cutout and not augmentation.enabled:
        yield Problem(
            "dataset.data_augmentation.use_cutout",
            True,
            "has no effect while data_augmentation.enabled is false.",
        )
    elif augmentation.use_cutout and facts.config.dataset.type == _SEGMENTATION:
        yield Problem(
            "dataset.data_augmentation.use_cutout",
            True,
            "has no effect in segmentation, which crops and flips images with their masks only.",
        )


@no_effect("dataset", "architecture_hyperparameters.segmentation_decoder")
def _segmentation_settings(facts: Facts) -> Iterator[Problem]:
    config = facts.config
    if config.dataset.type == _SEGMENTATION:
        return
    decoder = config.architecture_hyperparameters.segmentation_decoder
    if decoder != "fixed":
        yield Problem(
            "architecture_hyperparameters.segmentation_decoder",
            decoder,
            "has an effect in segmentation only.",
        )
    if config.dataset.ignore_class is not None:
        yield Problem(
            "dataset.ignore_class",
            config.dataset.ignore_class,
            "has an effect in segmentation only: examples with this label are a class like any other.",
        )


@no_effect("dataset.type", "training_hyperparameters.label_smoothing")
def _label_smoothing(facts: Facts) -> Iterator[Problem]:
    smoothing = facts.config.training_hyperparameters.label_smoothing
    if facts.config.dataset.type == _SEGMENTATION and smoothing:
        yield Problem("training_hyperparameters.label_smoothing", smoothing, "is ignored in segmentation.")


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
    if blocks > 1:
        return
    for key in ("max_children", "constraints"):
        if (value := getattr(strategy, key)) != _default(strategy, key):
            yield Problem(
                f"search_strategy.{key}",
                value,
                "has no effect with search_space.blocks 1: all single-block cells are trained.",
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
def _inline_workers(facts: Facts) -> Iterator[Problem]:
    executor = facts.config.others.executor
    if executor.kind == "inline" and (executor.workers or 1) > 1:
        yield Problem(
            "others.executor.workers",
            executor.workers,
            "has no effect: the executor 'inline' evaluates one at a time; choose 'processes'.",
        )


@no_effect("others")
def _compilation(facts: Facts) -> Iterator[Problem]:
    others = facts.config.others
    if others.enable_XLA_compilation and others.train_strategy == "CPU":
        yield Problem(
            "others.enable_XLA_compilation",
            True,
            "does not pay on a CPU: compiling a network takes longer there than the training it speeds up.",
        )
