"""Rules that tie fields together: mistakes that one field alone cannot show, and settings without effect.

A rule is a generator of problems that declares which fields it reads, so that it is skipped where one of them
is already reported as malformed. To add one, write a function under `@mistake(...)` or `@no_effect(...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from popnas import files, objectives
from popnas.config.names import Facts, NameRules
from popnas.config.run_config import RunConfig
from popnas.errors import Problem, nearest
from popnas.objectives.rows import COSTS, TIMES

Check = Callable[[Facts], Iterable[Problem]]


@dataclass(frozen=True)
class Rule:
    """A check and the places of the fields it reads."""

    check: Check
    reads: tuple[str, ...] = field(default=())


MISTAKES: list[Rule] = []
NO_EFFECT: list[Rule] = []


def mistake(*reads: str) -> Callable[[Check], Check]:
    """Declare a rule whose problems refuse the configuration."""
    return _declare(MISTAKES, reads)


def no_effect(*reads: str) -> Callable[[Check], Check]:
    """Declare a rule whose problems are only warned about."""
    return _declare(NO_EFFECT, reads)


def _declare(rules: list[Rule], reads: tuple[str, ...]) -> Callable[[Check], Check]:
    def declare(check: Check) -> Check:
        rules.append(Rule(check, reads))
        return check

    return declare


def mistakes(
    config: RunConfig, names: NameRules | None = None, malformed: Sequence[str] = ()
) -> list[Problem]:
    """All problems between fields, but for those that touch a malformed place."""
    return _run(MISTAKES, Facts(config, names), malformed)


def warnings(config: RunConfig, names: NameRules | None = None) -> list[str]:
    """One sentence for each setting that has no effect; what a task does not use is known with `names`."""
    return [str(problem) for problem in _run(NO_EFFECT, Facts(config, names), ())]


def _run(rules: list[Rule], facts: Facts, malformed: Sequence[str]) -> list[Problem]:
    return [
        problem
        for rule in rules
        if not any(_is_within(read, bad) for read in rule.reads for bad in malformed)
        for problem in rule.check(facts)
        if problem.place not in malformed
    ]


def _is_within(place: str, outer: str) -> bool:
    return place == outer or outer == "" or place.startswith((f"{outer}.", f"{outer}["))


@mistake("dataset.type")
def _task_exists(facts: Facts) -> Iterator[Problem]:
    name = facts.config.dataset.type
    if facts.names and name not in facts.names.tasks:
        yield _unknown("dataset.type", "task", name, facts.names.tasks)


@mistake("dataset.name", "dataset.path", "others.evaluator")
def _has_data(facts: Facts) -> Iterator[Problem]:
    dataset = facts.config.dataset
    if dataset.name is None and dataset.path is None and facts.may_need_dataset:
        known = f", e.g. {', '.join(facts.names.datasets)}" if facts.names and facts.names.datasets else ""
        message = f"needs a 'name' (of a known data set{known}) or a 'path' (to your own data)."
        yield Problem("dataset", None, message)


@mistake("dataset.name", "dataset.path", "dataset.type", "others.evaluator")
def _dataset_exists(facts: Facts) -> Iterator[Problem]:
    dataset = facts.config.dataset
    if not facts.may_need_dataset:
        return
    if facts.names and dataset.path is None and dataset.name is not None and facts.task:
        complaint = facts.names.check_dataset(dataset.name, dataset.type)
        if complaint:
            yield Problem("dataset.name", dataset.name, complaint, "data set")


@mistake("dataset.path")
def _path_is_one(facts: Facts) -> Iterator[Problem]:
    """Whether anything is there is seen where the data are read: a run may be looked at without them."""
    path = facts.config.dataset.path
    if path is not None and (complaint := files.not_here(path)) is not None:
        yield Problem("dataset.path", path, f"{path[:60]!r} {complaint}.")


@mistake("search_space.operators", "dataset.type")
def _operators_suit(facts: Facts) -> Iterator[Problem]:
    """Where `others` is malformed as a whole the usual evaluator counts: mistakes come at once."""
    known = facts.evaluator.operators if facts.evaluator else None
    if known is not None:
        for index, name in enumerate(facts.config.search_space.operators):
            if name not in known:
                message = f"the evaluator '{facts.config.others.evaluator}' knows no operator '{name}'."
                yield Problem(f"search_space.operators[{index}]", name, f"{message}{_choices(name, known)}")
    elif facts.names and facts.task:
        for index, name in enumerate(facts.config.search_space.operators):
            complaint = facts.names.check_operator(name, facts.task.num_dims)
            if complaint:
                yield Problem(f"search_space.operators[{index}]", name, complaint, "operator")


@mistake("search_space.operators", "dataset.type")
def _operators_given(facts: Facts) -> Iterator[Problem]:
    if facts.task and not facts.config.search_space.operators:
        task = facts.config.dataset.type
        yield Problem(
            "search_space.operators", [], f"must be given: the task '{task}' has no preset to take them from."
        )


@mistake("search_space.operators")
def _operators_once(facts: Facts) -> Iterator[Problem]:
    yield from _repeated("search_space.operators", facts.config.search_space.operators)


@mistake("dataset.type", "search_strategy.score_metric")
def _metric_suits(facts: Facts) -> Iterator[Problem]:
    metric = facts.config.search_strategy.score_metric
    if facts.task and metric not in facts.task.score_metrics:
        yield Problem(
            "search_strategy.score_metric",
            metric,
            f"'{metric}' is not measured in {facts.config.dataset.type}."
            f"{_choices(metric, facts.task.score_metrics)}",
        )


_MOST_SINGLE = 10_000
_MOST_BLOCKS = 50_000_000


@mistake(
    "search_space",
    "search_strategy.max_children",
    "search_strategy.max_exploration_children",
    "search_strategy.random_children",
    "search_strategy.untrained_parents",
)
def _space_fits(facts: Facts) -> Iterator[Problem]:
    """All single-block cells may be trained; later steps predict every expansion of their parents."""
    space = facts.config.search_space
    count = _new_blocks(facts, 1)
    if count > _MOST_SINGLE:
        yield Problem(
            "search_space.lookback_depth",
            space.lookback_depth,
            f"{len(space.operators)} operators at lookback depth {space.lookback_depth} make {count:,} "
            f"single-block cells, which are all trained: at most {_MOST_SINGLE:,} can be. Take fewer "
            "operators or a smaller lookback depth (2 is usual).",
        )
        return
    strategy = facts.config.search_strategy
    parents = strategy.max_children + strategy.max_exploration_children + strategy.random_children
    parents += strategy.untrained_parents
    for step in range(2, space.blocks + 1):
        cells = (min(count, parents) if step > 2 else count) * _new_blocks(facts, step)
        if cells * step > _MOST_BLOCKS:
            yield Problem(
                "search_space.blocks",
                space.blocks,
                f"step {step} would have to predict {cells:,} cells at once, which takes many gigabytes. "
                f"Write at most {step - 1}, or take fewer operators, a smaller lookback depth or fewer "
                f"search_strategy.{'untrained_parents' if strategy.untrained_parents else 'max_children'}.",
            )
            return
        count = cells


@mistake("search_space")
def _predictors_can_learn(facts: Facts) -> Iterator[Problem]:
    space = facts.config.search_space
    needed = facts.names.fewest_learnt_from if facts.names else 1
    if space.blocks > 1 and 0 < _new_blocks(facts, 1) < needed:
        yield Problem(
            "search_space.operators",
            list(space.operators),
            f"one operator at lookback depth 1 makes {_new_blocks(facts, 1)} single-block cell, and the "
            f"predictors of step 2 learn from at least {needed}. Give one more operator, or write 2 for "
            "search_space.lookback_depth, or 1 for search_space.blocks.",
        )


@mistake("search_strategy.single_block_repeats")
def _single_blocks_repeat(facts: Facts) -> Iterator[Problem]:
    repeats = facts.config.search_strategy.single_block_repeats
    if repeats == 1:
        yield Problem(
            "search_strategy.single_block_repeats",
            repeats,
            "must be 0 or at least 2, got 1: an operator in one cell alone is not told from its other half.",
        )


def _new_blocks(facts: Facts, step: int) -> int:
    """As `SearchSpace.count_new_blocks`, which takes no operators that are malformed."""
    space = facts.config.search_space
    num_halves = (space.lookback_depth + step - 1) * len(set(space.operators))
    return num_halves * (num_halves + 1) // 2


@mistake("search_strategy.additional_pareto_objectives")
def _objectives_exist(facts: Facts) -> Iterator[Problem]:
    place = "search_strategy.additional_pareto_objectives"
    known = objectives.costs()
    chosen = facts.config.search_strategy.additional_pareto_objectives
    for index, name in enumerate(chosen):
        if name == "score":
            yield Problem(f"{place}[{index}]", name, "the score is always an objective; remove it here.")
        elif name not in known:
            yield _unknown(f"{place}[{index}]", "objective", name, known)
    yield from _repeated(place, chosen)


@mistake("search_strategy.additional_pareto_objectives", "others.pnas_mode")
def _has_objectives(facts: Facts) -> Iterator[Problem]:
    if not facts.config.search_strategy.additional_pareto_objectives and not facts.config.others.pnas_mode:
        yield Problem(
            "search_strategy.additional_pareto_objectives",
            [],
            f"needs at least one objective beside the score ({', '.join(objectives.costs())}); to "
            "search by score alone, set others.pnas_mode to true.",
        )


@mistake("search_strategy.constraints")
def _constraints_hold(facts: Facts) -> Iterator[Problem]:
    known = objectives.costs()
    for name, (low, high) in facts.config.search_strategy.constraints.items():
        place = f"search_strategy.constraints.{name}"
        if name == "score" or (facts.names and name in facts.names.score_metrics):
            yield Problem(
                place,
                [low, high],
                f"a metric cannot be constrained, only what a network costs: {', '.join(known)}.",
            )
        elif name not in known:
            message = f"no objective is named '{name}'.{_choices(name, known)}"
            yield Problem(place, [low, high], message, "objective")
        elif low > high:
            yield Problem(place, [low, high], f"the range is reversed: write [{high:g}, {low:g}].")
        elif high <= 0 and objectives.get(name) in COSTS:
            yield Problem(
                place, [low, high], f"no network can have at most {high:g}; the upper end must be above 0."
            )


@mistake("search_strategy.constraints", "others.pnas_mode")
def _constraints_predicted(facts: Facts) -> Iterator[Problem]:
    constraints = facts.config.search_strategy.constraints
    for row in objectives.measured(name for name in constraints if name in objectives.costs()):
        if facts.config.others.pnas_mode and row.name in constraints:
            what = "times" if row in TIMES else row.title
            yield Problem(
                f"search_strategy.constraints.{row.name}",
                list(constraints[row.name]),
                f"PNAS mode predicts no {what}; constrain params or flops, or leave PNAS mode.",
            )


@mistake("training_hyperparameters.optimizer.type", "training_hyperparameters.optimizer.scheduler")
def _radam_schedules_itself(facts: Facts) -> Iterator[Problem]:
    optimizer = facts.config.training_hyperparameters.optimizer
    if optimizer.optimizer_spec.kind == "radam" and optimizer.scheduler is not None:
        yield Problem(
            "training_hyperparameters.optimizer.scheduler",
            optimizer.scheduler,
            f"'{optimizer.type}' brings its own schedule; write null, got '{optimizer.scheduler}'.",
        )


@mistake("training_hyperparameters.optimizer.type", "training_hyperparameters.optimizer.warmup")
def _radam_warms_up_itself(facts: Facts) -> Iterator[Problem]:
    optimizer = facts.config.training_hyperparameters.optimizer
    if optimizer.optimizer_spec.kind == "radam" and optimizer.warmup:
        yield Problem(
            "training_hyperparameters.optimizer.warmup",
            optimizer.warmup,
            f"'{optimizer.type}' brings its own warm-up; write 0, got {optimizer.warmup}.",
        )


@mistake("training_hyperparameters.optimizer.warmup", "training_hyperparameters.epochs")
def _warmup_ends(facts: Facts) -> Iterator[Problem]:
    training = facts.config.training_hyperparameters
    if training.optimizer.warmup >= training.epochs:
        yield Problem(
            "training_hyperparameters.optimizer.warmup",
            training.optimizer.warmup,
            f"must be below the number of epochs ({training.epochs}), got {training.optimizer.warmup}. "
            f"Set it to at most {training.epochs - 1}, or training_hyperparameters.epochs to at least "
            f"{training.optimizer.warmup + 1}.",
        )


@mistake("dataset.folds", "dataset.validation_size")
def _folds_need_a_share(facts: Facts) -> Iterator[Problem]:
    dataset = facts.config.dataset
    if dataset.folds > 1 and dataset.validation_size is None:
        yield Problem(
            "dataset.validation_size",
            None,
            f"{dataset.folds} folds are drawn from training data: give the validating share, e.g. 0.1, or "
            "write 1 for dataset.folds.",
        )


@mistake("dataset.class_labels_remapping", "dataset.classes_count", "dataset.ignore_class", "dataset.type")
def _labels_in_range(facts: Facts) -> Iterator[Problem]:
    """Labels that are no masks decide themselves, once they are read: any number may name a class."""
    dataset = facts.config.dataset
    if not facts.task or not facts.task.is_per_pixel or dataset.classes_count is None:
        return
    for old, new in (dataset.class_labels_remapping or {}).items():
        if new >= dataset.classes_count and new != dataset.ignore_class:
            yield Problem(
                f"dataset.class_labels_remapping.{old}",
                new,
                f"{new} is neither one of the {dataset.classes_count} classes of dataset.classes_count (0 to "
                f"{dataset.classes_count - 1}) nor dataset.ignore_class. If these pixels shall not count, "
                f"write {new} for dataset.ignore_class; if they are a class, write a label below "
                f"{dataset.classes_count}, or null for dataset.classes_count.",
            )


@mistake("architecture_hyperparameters.macro_architecture", "dataset.type")
def _macro_architecture_exists(facts: Facts) -> Iterator[Problem]:
    macro = facts.config.architecture_hyperparameters.macro_architecture
    if facts.names and macro is not None and macro not in facts.names.macros:
        place = "architecture_hyperparameters.macro_architecture"
        yield _unknown(place, "macro-architecture", macro, facts.names.macros)
    elif facts.names and macro is not None and facts.task:
        complaint = facts.names.check_macro(macro, facts.config.dataset.type)
        if complaint:
            yield Problem("architecture_hyperparameters.macro_architecture", macro, complaint)


@mistake("others.executor.kind")
def _executor_exists(facts: Facts) -> Iterator[Problem]:
    kind = facts.config.others.executor.kind
    if facts.names and kind not in facts.names.executors:
        yield _unknown("others.executor.kind", "executor", kind, facts.names.executors)


@mistake("others.predictors")
def _predictors_exist(facts: Facts) -> Iterator[Problem]:
    for objective, known in (facts.names.predictors if facts.names else {}).items():
        name = getattr(facts.config.others.predictors, objective)
        if name not in known:
            yield _unknown(f"others.predictors.{objective}", f"predictor of the {objective}", name, known)


@mistake("others.predictors")
def _predictor_learns_from_earlier(facts: Facts) -> Iterator[Problem]:
    chosen = facts.config.others.predictors
    if facts.names is None or not chosen.earlier_runs:
        return
    place = "others.predictors.earlier_runs"
    if len(set(chosen.earlier_runs)) < len(chosen.earlier_runs):
        yield Problem(place, chosen.earlier_runs, "names a run twice. Name each once.")
    if chosen.score not in facts.names.learn_from_earlier:
        able = ", ".join(facts.names.learn_from_earlier)
        yield Problem(
            place,
            chosen.earlier_runs,
            f"the score predictor '{chosen.score}' learns from its own search alone. Write [], or choose for "
            f"others.predictors.score one that can: {able}.",
        )


@mistake("others.evaluator")
def _evaluator_exists(facts: Facts) -> Iterator[Problem]:
    name = facts.config.others.evaluator
    known = facts.names.evaluators if facts.names else {}
    if known and name not in known:
        yield _unknown("others.evaluator", "evaluator", name, known)


@mistake("others.evaluator", "search_strategy")
def _objectives_measured(facts: Facts) -> Iterator[Problem]:
    """Of objectives that there are: others are told elsewhere."""
    if facts.evaluator is None:
        return
    strategy, evaluator = facts.config.search_strategy, facts.config.others.evaluator
    wanted = {
        f"search_strategy.additional_pareto_objectives[{index}]": name
        for index, name in enumerate(strategy.additional_pareto_objectives)
    }
    wanted |= {f"search_strategy.constraints.{name}": name for name in strategy.constraints}
    known = objectives.costs()
    costs = [name for name in known if name in facts.evaluator.objectives]
    for place, name in wanted.items():
        if name in known and name not in costs:
            message = f"the evaluator '{evaluator}' does not measure '{name}'.{_choices(name, costs)}"
            yield Problem(place, name, message)


@mistake("others.trackers")
def _trackers_exist(facts: Facts) -> Iterator[Problem]:
    names = facts.config.others.trackers
    known = facts.names.trackers if facts.names else None
    for index, name in enumerate(names):
        if known is not None and name not in known:
            yield _unknown(f"others.trackers[{index}]", "tracker", name, known)
    yield from _repeated("others.trackers", names)


def _repeated(place: str, values: Sequence[str]) -> Iterator[Problem]:
    for index, value in enumerate(values):
        first = values.index(value)
        if first < index:
            yield Problem(
                f"{place}[{index}]", value, f"'{value}' stands already at {place}[{first}]; remove one."
            )


def _unknown(place: str, family: str, name: str, known: Iterable[str]) -> Problem:
    """No part of the family bears the name."""
    return Problem(place, name, f"no {family} is named '{name}'.{_choices(name, known)}", family)


def _choices(value: str, choices: Iterable[str]) -> str:
    names = list(choices)
    return f"{nearest(value, names)} Choose one of: {', '.join(names)}."
