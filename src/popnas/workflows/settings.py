"""Reading a configuration with the names that are registered, so that all mistakes come at once."""

from __future__ import annotations

from collections.abc import Sequence

from popnas import config as configurations
from popnas import datasets, evaluators, executors, files, operators, predictors, tasks, trackers
from popnas.config import EvaluatorFacts, NameRules, RunConfig, Source
from popnas.datasets import SOURCES
from popnas.errors import ConfigError, DataError, Problem, UnknownNameError
from popnas.networks import macros
from popnas.printable import quoted
from popnas.records import Json
from popnas.runs import RunFolder
from popnas.strategy import StrategySettings


def name_rules() -> NameRules:
    """What the registries know, for `config` to check names against without knowing the registries."""
    return NameRules(
        check_operator=operators.check_name,
        tasks=tasks.REGISTRY.names(),
        executors=executors.REGISTRY.names(),
        one_at_a_time=[
            name for name, kind in executors.REGISTRY.items() if kind.workers_for(2, 1, (executors.CPU,)) == 1
        ],
        operators=[name for _, family in operators.REGISTRY.items() for name in family.examples],
        macros=list(macros.of_cells()),
        datasets=sorted({name for source in SOURCES.names() for name in SOURCES.get(source)().data_sets()}),
        check_dataset=lambda name, task: datasets.check_name(name, tasks.get(task).data, task),
        check_macro=_check_macro,
        get_task=tasks.get,
        predictors={objective: predictors.names_of(objective) for objective in ("score", "time")},
        trackers=trackers.REGISTRY.names(),
        evaluators={
            name: EvaluatorFacts(
                objectives=kind.objectives(),
                needs_dataset=kind.needs_dataset,
                operators=kind.operators,
                unused_settings=kind.unused_settings,
                executor=kind.default_executor,
            )
            for name, kind in evaluators.REGISTRY.items()
        },
        fewest_learnt_from=predictors.MIN_TARGETS,
        learn_from_earlier=[name for name, kind in predictors.REGISTRY.items() if kind.learns_from_earlier],
    )


def _check_macro(name: str, task: str) -> str | None:
    """What is wrong with a macro-architecture for a task, or None."""
    is_per_pixel = tasks.get(task).is_per_pixel
    suited = [
        known for known, macro in macros.of_cells().items() if macro.is_per_pixel in (None, is_per_pixel)
    ]
    if name in suited:
        return None
    return f"'{name}' does not suit {task}. Choose one of: {', '.join(suited)}; or null for the task's own."


def load_config(source: Source, *, sets: Sequence[str] = ()) -> RunConfig:
    """The configuration of a path, a preset's name or an object, with `sets` ("a.b=V") applied, names
    checked.

    Raises:
        ConfigError: with all mistakes.
    """
    try:
        return configurations.load(source, sets=sets, names=name_rules())
    except ConfigError as error:
        path = configurations.data_path(source, sets=sets)
        is_told = any(problem.place == "dataset.path" for problem in error.problems)
        trouble = None if path is None or is_told else _trouble(path)
        if trouble is None:
            raise
        # Whoever has mistakes to mend hears of this one now and not in the next round.
        message = trouble.removeprefix(f"{quoted(files.user_path(str(path)))} (dataset.path) ")
        problem = Problem("dataset.path", path, message)
        raise ConfigError([*error.problems, problem], error.source) from None


def load_run_config(folder: RunFolder, *, sets: Sequence[str] = ()) -> RunConfig:
    """The configuration of a run, as `load_config`.

    Raises:
        UnknownNameError: it was made with a package that is not installed here.
        ConfigError: mistakes, such as of `sets`.
    """
    document = folder.config_json()
    try:
        return load_config(document, sets=sets)
    except ConfigError as error:
        lacking = [problem for problem in _mistakes(document) if problem.family is not None]
        if not lacking:
            raise
        # What else is wrong follows from it: it was right when the run was made.
        parts = ", ".join(f"the {each.family} '{_name(each)}' ({each.place})" for each in lacking)
        them = "a part" if len(lacking) == 1 else "parts"
        raise UnknownNameError(
            f"the run {quoted(folder.path)} was made with {them} that no package installed here brings: "
            f"{parts}. Install the package that it was made with; `popnas doctor` lists those that are."
        ) from error


def _mistakes(document: Json) -> Sequence[Problem]:
    try:
        configurations.load(document, names=name_rules())
    except ConfigError as error:
        return error.problems
    return ()


def _name(problem: Problem) -> str:
    """Of a constraint the objective stands in its place, and the range is the value."""
    return problem.value if isinstance(problem.value, str) else problem.place.rpartition(".")[2]


def unused(config: RunConfig) -> list[str]:
    """What a configuration says that has no effect."""
    return configurations.warnings(config, name_rules())


def warnings(config: RunConfig) -> list[str]:
    """What a configuration says that has no effect, and data that are not there (yet)."""
    found = unused(config)
    if config.dataset.path is not None and (trouble := _trouble(config.dataset.path)) is not None:
        found.append(trouble)
    return found


def _trouble(path: str) -> str | None:
    """Why data at a path cannot be looked at, or None."""
    try:
        datasets.check_path(files.user_path(path))
    except DataError as error:
        return str(error)
    return None


def strategy_settings(config: RunConfig) -> StrategySettings:
    """What a configuration says of the selection."""
    strategy = config.search_strategy
    return StrategySettings(
        max_children=strategy.max_children,
        max_exploration_children=strategy.max_exploration_children,
        score_share=strategy.score_share,
        rounds=strategy.rounds,
        random_children=strategy.random_children,
        untrained_parents=strategy.untrained_parents,
        single_block_repeats=strategy.single_block_repeats,
        growth_share=strategy.growth_share,
        seed=config.others.seed,
        objectives=("score", *strategy.additional_pareto_objectives),
        is_pnas=config.others.pnas_mode,
        constraints=dict(strategy.constraints),
    )


def max_networks(config: RunConfig, step: int) -> int:
    """The most networks that a step from 2 on trains."""
    return strategy_settings(config).step_quota(is_last=step == config.search_space.blocks).total
