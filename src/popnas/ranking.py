"""The order of trained cells, decided once: best score first, equal scores in the cells' canonical order."""

from __future__ import annotations

from collections.abc import Iterable

from popnas.cells import Cell
from popnas.evaluation import Evaluation


def ranked(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Evaluations with a score, best first."""
    return sorted(evaluations, key=lambda item: (-(item.score or 0.0), Cell.parse(item.cell).sort_key))


def best(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The first in that order; None of none."""
    scored = [item for item in evaluations if item.score is not None]
    highest = max((item.score for item in scored if item.score is not None), default=None)
    # Cells are parsed where scores tie: who asks after every candidate asks often.
    return next(iter(ranked(item for item in scored if item.score == highest)), None)
