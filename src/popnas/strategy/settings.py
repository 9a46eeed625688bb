"""The settings of the search strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from popnas import objectives as rows
from popnas.objectives import Objective


@dataclass(frozen=True)
class StrategySettings:
    """How candidates are selected.

    Attributes:
        max_children: K, the most cells of a front that are trained per step.
        max_exploration_children: the most exploration cells per step; 0 for no exploration.
        objectives: what the front is taken over, the score first; names of registered ones, or objectives of
            your own.
        is_pnas: train the K best predicted scores; no front, no exploration.
        constraints: per objective the least and the greatest value allowed, applied to predictions before
            selection.
        fill_front: where the front has fewer than K cells, train the best predicted scores beside it, too.

    Raises:
        UnknownNameError: an objective or constraint that is neither known nor an `Objective`.
        ValueError: the score is not first, an objective stands twice, or a bound is impossible.
    """

    max_children: int
    max_exploration_children: int = 0
    objectives: Sequence[str | Objective] = ("score", "time")
    is_pnas: bool = False
    constraints: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fill_front: bool = False

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.all_objectives]
        if self.max_children < 1 or self.max_exploration_children < 0:
            raise ValueError("max_children must be at least 1 and max_exploration_children at least 0")
        if not names or names[0] != "score" or len(set(names)) < len(names):
            raise ValueError(f"objectives must start with the score and name each once. Got {names} instead")
        for name, (least, greatest) in self.constraints.items():
            if name not in names:
                _objective(name)
            if not least <= greatest:
                raise ValueError(
                    f"the constraint on {name} must be [least, greatest]. Got [{least}, {greatest}]"
                )

    @cached_property
    def all_objectives(self) -> tuple[Objective, ...]:
        """The objectives by name or value, as values."""
        return tuple(_objective(item) for item in self.objectives)

    @property
    def active_objectives(self) -> tuple[Objective, ...]:
        """The objectives that selection compares: all of them, in PNAS mode only the score."""
        return self.all_objectives[:1] if self.is_pnas else self.all_objectives

    @property
    def required_predictions(self) -> tuple[Objective, ...]:
        """The active objectives, then those that only a constraint names."""
        named = {objective.name: objective for objective in self.all_objectives}
        active = {objective.name: objective for objective in self.active_objectives}
        constrained = {name: named[name] if name in named else _objective(name) for name in self.constraints}
        return tuple({**active, **constrained}.values())


def _objective(item: str | Objective) -> Objective:
    return item if isinstance(item, Objective) else rows.get(item)
