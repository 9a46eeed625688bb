"""What the registries know, as far as a configuration must: handed in, since they live above this room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from popnas import objectives
from popnas.config.run_config import RunConfig


class TaskFacts(Protocol):
    """What the configuration must know about a task; every `Task` offers it."""

    @property
    def num_dims(self) -> int:
        """2 for images, 1 for series."""

    @property
    def score_metrics(self) -> Sequence[str]:
        """Metrics that may steer the search, the default first."""

    @property
    def default_operators(self) -> Sequence[str]:
        """Operators of a configuration that names none."""

    @property
    def is_per_pixel(self) -> bool:
        """Whether labels are masks, so that they are the numbers of classes."""

    @property
    def unused_settings(self) -> Mapping[str, str]:
        """By place what has no effect, with the sentence that is told."""


@dataclass(frozen=True)
class EvaluatorFacts:
    """What the configuration must know about an evaluator: the objectives that it can measure or compute,
    whether it needs data, the only operators that it knows (None: all that there are for the data), by
    place what has no effect with it, with the sentence that is told, and the executor of a configuration that
    names none."""

    objectives: Sequence[str]
    needs_dataset: bool = True
    operators: Sequence[str] | None = None
    unused_settings: Mapping[str, str] = field(default_factory=dict)
    executor: str = "processes"


@dataclass(frozen=True)
class NameRules:
    """The registries' names, handed in so that mistakes in names come with all the others.

    `check_operator(name, num_dims)`, `check_dataset(name, task)` and `check_macro(name, task)` return what is
    wrong with a name, or None; `operators` and `datasets` are names to suggest; `one_at_a_time` are those of
    the executors that know no workers; `get_task` gives the facts of one of `tasks` (None: none are known);
    `predictors` are names by objective ("score", "time"; empty: not known), `trackers` too (None: not known);
    `evaluators` are facts by name (empty: not known); `fewest_learnt_from` is how many cells a predictor can
    be fitted to; `learn_from_earlier` are the score predictors that learn from earlier runs, too.
    """

    check_operator: Callable[[str, int], str | None]
    tasks: Sequence[str]
    executors: Sequence[str]
    one_at_a_time: Sequence[str] = ()
    operators: Sequence[str] = ()
    datasets: Sequence[str] = ()
    macros: Sequence[str] = ()
    get_task: Callable[[str], TaskFacts] | None = None
    check_dataset: Callable[[str, str], str | None] = lambda name, task: None
    check_macro: Callable[[str, str], str | None] = lambda name, task: None
    predictors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trackers: Sequence[str] | None = None
    evaluators: Mapping[str, EvaluatorFacts] = field(default_factory=dict)
    fewest_learnt_from: int = 3
    learn_from_earlier: Sequence[str] = ()

    def by_family(self) -> dict[str, Sequence[str]]:
        """The names to offer to editors, by the word that `declarations.named_by` has for them."""
        predictors = {f"predictors of {objective}": names for objective, names in self.predictors.items()}
        return {
            "tasks": self.tasks,
            "operators": self.operators,
            "data sets": self.datasets,
            "score metrics": self.score_metrics,
            "objectives": objectives.costs(),
            "macros": self.macros,
            "executors": self.executors,
            "trackers": self.trackers or (),
            "evaluators": [*self.evaluators],
            **predictors,
        }

    def task(self, name: str) -> TaskFacts | None:
        """The facts of a task, or None if it is not registered."""
        if name not in self.tasks:
            return None
        return self.get_task(name) if self.get_task else None

    @property
    def score_metrics(self) -> list[str]:
        """All that any task measures."""
        facts = [self.task(name) for name in self.tasks]
        return list(dict.fromkeys(metric for task in facts if task for metric in task.score_metrics))


@dataclass(frozen=True)
class Facts:
    """What a rule sees: the configuration, and the names if they were handed in."""

    config: RunConfig
    names: NameRules | None = None

    @property
    def task(self) -> TaskFacts | None:
        """The configured task, if it is known."""
        name = self.config.dataset.type
        return self.names.task(name) if self.names else None

    @property
    def evaluator(self) -> EvaluatorFacts | None:
        """The configured evaluator, if it is known."""
        return self.names.evaluators.get(self.config.others.evaluator) if self.names else None

    @property
    def unused_settings(self) -> dict[str, str]:
        """By place what has no effect with this task or this evaluator, with the sentence that is told."""
        parts = [part for part in (self.task, self.evaluator) if part is not None]
        return {place: sentence for part in parts for place, sentence in part.unused_settings.items()}

    @property
    def may_need_dataset(self) -> bool:
        """Whether data must be named: by the evaluator, or by the default one where none is known."""
        if self.evaluator is not None:
            return self.evaluator.needs_dataset
        return self.config.others.evaluator == type(self.config.others).model_fields["evaluator"].default
