"""The settings of the search strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from popnas import objectives as rows
from popnas.objectives import Objective


@dataclass(frozen=True)
class Quota:
    """The most cells of each kind that one round of a step trains."""

    children: int
    exploration: int
    random: int


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
        score_share: the share of K that goes to the best predicted scores, whatever they cost; they get what
            a small front leaves, too. 0: the front alone.
        rounds: in how many rounds a step's cells are chosen, K and exploration in equal parts.
        random_children: so many cells per step, in its first round, are drawn evenly, by `seed`.

    Raises:
        UnknownNameError: an objective or constraint that is neither known nor an `Objective`.
        ValueError: the score is not first, an objective stands twice, or a bound is impossible.
    """

    max_children: int
    max_exploration_children: int = 0
    objectives: Sequence[str | Objective] = ("score", "time")
    is_pnas: bool = False
    constraints: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    score_share: float = 0.0
    rounds: int = 1
    random_children: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.all_objectives]
        if self.max_children < 1 or self.max_exploration_children < 0:
            raise ValueError("max_children must be at least 1 and max_exploration_children at least 0")
        if not 0 <= self.score_share <= 1 or self.rounds < 1 or self.random_children < 0:
            raise ValueError(
                "score_share must lie in 0..1, rounds be at least 1 and random_children at least 0"
            )
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
    def num_rounds(self) -> int:
        """Those that have a cell to choose."""
        return min(self.rounds, self.max_children)

    def quota(self, round_number: int, *, explores: bool) -> Quota:
        """What a round (0 is the first) may choose at most."""
        begin, end = round_number, round_number + 1

        def part(total: int) -> int:
            return total * end // self.num_rounds - total * begin // self.num_rounds

        has_exploration = explores and not self.is_pnas
        return Quota(
            part(self.max_children),
            part(self.max_exploration_children) if has_exploration else 0,
            0 if round_number else self.random_children,
        )

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
