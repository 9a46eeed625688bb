"""Methods that propose one candidate after the other, none twice.

A walk is a generator: it yields a row of the ground and is sent what was seen of it. Failures count as
worse than anything. Settings of evolution are those of Dong and Yang (2020) for NAS-Bench-201; see
`docs/tables.md`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np

from popnas.workflows.tables.comparing.ground import Ground

POPULATION, SAMPLE = 10, 3


class Seen(NamedTuple):
    """Of one training: the score, NaN where it failed, and what is minimised beside."""

    score: float
    cost: float

    @property
    def fitness(self) -> float:
        """The score; of a failure minus infinity."""
        return self.score if np.isfinite(self.score) else -np.inf


Walk = Generator[int, Seen, None]
MakeWalk = Callable[[Ground, int], Walk]
"""A walk over a ground, from a seed."""


class Fresh:
    """What of a ground is not proposed yet, drawn evenly."""

    def __init__(self, ground: Ground, rng: np.random.Generator) -> None:
        self._ground, self._rng = ground, rng
        self._left = {int(row): None for row in rng.permutation(ground.open_rows)}

    def __bool__(self) -> bool:
        return bool(self._left)

    def __contains__(self, row: int) -> bool:
        return row in self._left

    def take(self, row: int) -> int:
        """The row, which is proposed now."""
        del self._left[row]
        return row

    def anywhere(self) -> int:
        """Any row."""
        return self.take(next(iter(self._left)))  # in random order from the beginning

    def around(self, row: int) -> list[int]:
        """The row's neighbours that are not proposed yet, in random order."""
        rows = [near for near in self._ground.neighbours(row).tolist() if near in self._left]
        return [rows[place] for place in self._rng.permutation(len(rows))]


def random(ground: Ground, seed: int) -> Walk:
    """All in random order."""
    fresh = Fresh(ground, np.random.default_rng(seed))
    while fresh:
        yield fresh.anywhere()


def evolution(ground: Ground, seed: int) -> Walk:
    """Regularized evolution: the best of a random sample of the population has a child, which differs by one
    change; the oldest dies. A parent of which all neighbours are known has a random child."""
    rng = np.random.default_rng(seed)
    fresh = Fresh(ground, rng)
    population: deque[tuple[float, int]] = deque(maxlen=POPULATION)
    while fresh:
        if len(population) < POPULATION:
            child = fresh.anywhere()
        else:
            drawn = rng.integers(POPULATION, size=SAMPLE)
            _, parent = max(population[place] for place in drawn)
            near = fresh.around(parent)
            child = fresh.take(near[0]) if near else fresh.anywhere()
        seen = yield child
        population.append((seen.fitness, child))


def local_search(ground: Ground, seed: int) -> Walk:
    """From a random candidate all neighbours are seen, then those of the best of them, while it is better;
    then from another random one."""
    fresh = Fresh(ground, np.random.default_rng(seed))
    known: dict[int, float] = {}
    while fresh:
        best = fresh.anywhere()
        known[best] = (yield best).fitness
        while True:
            for near in fresh.around(best):
                known[near] = (yield fresh.take(near)).fitness
            around = [row for row in ground.neighbours(best).tolist() if row in known]
            better = max(around, key=lambda row: known[row], default=best)
            if not known[better] > known[best]:
                break
            best = better
