"""Methods compared over many problems: mean ranks, and which differences are more than chance.

Axes: P problems, M methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

LEVEL = 0.05


@dataclass(frozen=True)
class RankedMethod:
    """`rank`: the mean over all problems, 1 is the best; `wins`, `ties`, `losses`: of the compared method
    against this one."""

    name: str
    rank: float
    accuracy: float
    wins: int = 0
    ties: int = 0
    losses: int = 0


@dataclass(frozen=True)
class Ranking:
    """`methods`, the best rank first, over so many problems; `cliques`: first and last place of neighbours
    among which no difference is more than chance (pairwise Wilcoxon signed-rank tests at 5 %, corrected after
    Holm; Benavoli et al. 2016)."""

    methods: Sequence[RankedMethod]
    num_problems: int
    cliques: Sequence[tuple[int, int]]


def ranking(scores: Mapping[str, Mapping[str, float]], compared: str) -> Ranking | None:
    """Rank methods by their scores by problem (more is better), over the problems that all of them have; None
    without such problems or without other methods than the `compared` one."""
    common = sorted(set.intersection(*(set(each) for each in scores.values()))) if scores else []
    if len(scores) < 2 or not common:
        return None
    names = list(scores)
    scores_PM = np.array([[scores[name][problem] for name in names] for problem in common])
    ranks_M = np.mean([_ranks(-row) for row in scores_PM], axis=0)
    order = sorted(range(len(names)), key=lambda place: (ranks_M[place], names[place]))
    own_P = scores_PM[:, names.index(compared)]
    methods = [
        RankedMethod(
            names[place],
            float(ranks_M[place]),
            float(scores_PM[:, place].mean()),
            int((own_P > scores_PM[:, place]).sum()),
            int((own_P == scores_PM[:, place]).sum()),
            int((own_P < scores_PM[:, place]).sum()),
        )
        for place in order
    ]
    return Ranking(methods, len(common), _cliques(scores_PM[:, order]))


def _ranks(values_M: np.ndarray) -> np.ndarray:
    """From 1, ties at their mean rank."""
    below = (values_M[None, :] < values_M[:, None]).sum(axis=1)
    equal = (values_M[None, :] == values_M[:, None]).sum(axis=1)
    return below + (equal + 1) / 2


def _cliques(scores_PM: np.ndarray) -> list[tuple[int, int]]:
    """Of methods in order, the longest runs of neighbours without a difference, none within another."""
    pairs = list(combinations(range(scores_PM.shape[1]), 2))
    different = _beyond_chance({pair: _wilcoxon(*scores_PM[:, pair].T) for pair in pairs})
    alike = [
        (first, last)
        for first, last in pairs
        if not any((a, b) in different for a, b in combinations(range(first, last + 1), 2))
    ]
    return [
        (first, last)
        for first, last in alike
        if not any((a, b) != (first, last) and a <= first and last <= b for a, b in alike)
    ]


def _beyond_chance(chances: Mapping[tuple[int, int], float]) -> set[tuple[int, int]]:
    """The pairs whose difference is significant after Holm's correction."""
    found: set[tuple[int, int]] = set()
    for place, (pair, chance) in enumerate(sorted(chances.items(), key=lambda item: item[1])):
        if chance > LEVEL / (len(chances) - place):
            break
        found.add(pair)
    return found


def _wilcoxon(first_P: np.ndarray, second_P: np.ndarray) -> float:
    """The chance of differences at least as one-sided, two-sided, by the normal approximation with its
    correction for ties (Wilcoxon 1945); equal pairs are left out."""
    gap_P = (first_P - second_P)[first_P != second_P]
    number = len(gap_P)
    if number == 0:
        return 1.0
    ranks_P = _ranks(np.abs(gap_P))
    _, counts = np.unique(ranks_P, return_counts=True)
    variance = number * (number + 1) * (2 * number + 1) / 24 - float((counts**3 - counts).sum()) / 48
    distance = abs(float(ranks_P[gap_P > 0].sum()) - number * (number + 1) / 4)
    return math.erfc(distance / math.sqrt(2 * variance))
