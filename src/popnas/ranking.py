"""The order of trained cells, decided once: best score first, equal scores in the cells' canonical order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from popnas.cells import Block, Cell
from popnas.evaluation import Evaluation


def ranked(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Evaluations with a score, best first."""
    by_score = sorted(evaluations, key=_minus_score)
    # Cells are parsed where scores tie: who asks after every candidate asks often.
    groups = (list(group) for _, group in itertools.groupby(by_score, key=_minus_score))
    return [item for group in groups for item in (group if len(group) == 1 else sorted(group, key=_cell))]


def best(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The first in that order; None of none."""
    scored = [item for item in evaluations if item.score is not None]
    highest = max((item.score for item in scored if item.score is not None), default=None)
    return next(iter(ranked(item for item in scored if item.score == highest)), None)


def _minus_score(item: Evaluation) -> float:
    return -(item.score or 0.0)


def _cell(item: Evaluation) -> tuple[int, tuple[Block, ...]]:
    return Cell.parse(item.cell).sort_key
