"""The settings of the search strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from popnas import objectives as rows
from popnas.objectives import Objective


@dataclass(frozen=True)
class Quota:
    """The most cells of each kind that a step, or a round of it, trains.

    `by_score`: so many of the children are the best predicted scores, whatever they cost, and so are those
    that the front leaves; None: the front alone.
    """

    children: int
    exploration: int
    random: int
    by_score: int | None = None

    @property
    def total(self) -> int:
        """All kinds together."""
        return self.children + self.exploration + self.random


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
        untrained_parents: so many cells of a step that were not trained become parents of the next one beside
            those that were, by their predicted score.
        single_block_repeats: step 1 trains so few cells that every operator on every lookback stands in so
            many of them; 0: all cells of one block.
        growth_share: steps 2 to B - 1 train this share of K, step B all of K.

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
    untrained_parents: int = 0
    single_block_repeats: int = 0
    growth_share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.all_objectives]
        if self.max_children < 1 or self.max_exploration_children < 0:
            raise ValueError("max_children must be at least 1 and max_exploration_children at least 0")
        if not 0 <= self.score_share <= 1 or not 0 < self.growth_share <= 1 or self.rounds < 1:
            raise ValueError("score_share and growth_share must lie in 0..1, and rounds be at least 1")
        if min(self.random_children, self.untrained_parents, self.single_block_repeats) < 0:
            raise ValueError("random_children, untrained_parents and single_block_repeats must be at least 0")
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

    def step_quota(self, *, is_last: bool) -> Quota:
        """What a step from 2 on may train at most; step B is the last."""
        growing = max(round(self.growth_share * self.max_children), 1)
        children = self.max_children if is_last else growing
        return Quota(
            children,
            0 if is_last or self.is_pnas else self.max_exploration_children,
            self.random_children,
            self._by_score(0, children),
        )

    def num_rounds(self, *, is_last: bool) -> int:
        """Those of a step that have a cell to choose."""
        return min(self.rounds, self.step_quota(is_last=is_last).children)

    def quota(self, round_number: int, *, is_last: bool) -> Quota:
        """What a round (0 is the first) of a step may choose at most."""
        step, num_rounds = self.step_quota(is_last=is_last), self.num_rounds(is_last=is_last)
        begin, end = round_number, round_number + 1

        def part(total: int) -> int:
            return total * end // num_rounds - total * begin // num_rounds

        before, children = step.children * begin // num_rounds, part(step.children)
        return Quota(
            children,
            part(step.exploration),
            0 if round_number else self.random_children,
            self._by_score(before, before + children),
        )

    def _by_score(self, before: int, until: int) -> int | None:
        """How many places by score fall to a step's children from `before` to `until`: the share of a round
        may be less than one, and together rounds give what one round would."""
        if self.score_share == 0:
            return None
        return math.floor(self.score_share * until) - math.floor(self.score_share * before)

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
