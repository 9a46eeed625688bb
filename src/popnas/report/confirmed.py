"""What the confirmations say: are the best cells as good with other seeds, and did growing cells pay?

Only the confirmations count here, not the scores by which the cells were chosen: of many noisy scores the best
is too good on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from popnas.evaluation import Evaluation
from popnas.report.run_data import RunData
from popnas.report.statistics import Interval, difference, interval

Outcome = Literal["better", "cheaper", "no difference", "worse", "unknown"]
_COSTS = {"training_seconds": "training time", "params": "parameters", "flops": "FLOPs"}


@dataclass(frozen=True)
class ConfirmedCell:
    """A cell with its confirmed scores; `num_failed` repetitions gave none."""

    evaluation: Evaluation
    scores: tuple[float, ...]
    num_failed: int

    @property
    def summary(self) -> Interval:
        """Mean and 95 % interval."""
        return interval(self.scores)


@dataclass(frozen=True)
class Verdict:
    """A grown cell against the best single-block cell.

    `outcome`: "better" (the 95 % interval of the difference lies above 0), "cheaper" (no difference beyond seed
    noise, a mean at most one standard error lower, and cheaper), "no difference", "worse", or "unknown" (too few
    repetitions). `savings`: cost in words to the share saved, of the costs that are at least 5 % lower.
    """

    grown: ConfirmedCell
    single: ConfirmedCell
    difference: Interval
    savings: dict[str, float]
    outcome: Outcome


def confirmed_cells(run: RunData) -> list[ConfirmedCell]:
    """All cells that were trained again successfully, in order of the search's own score."""
    cells = []
    for cell in {item.cell for item in run.state.confirmations}:
        evaluation = run.state.evaluation(cell)
        repetitions = [item for item in run.state.confirmations if item.cell == cell]
        scores = tuple(item.score for item in repetitions if not item.is_failed and item.score is not None)
        if evaluation is not None and scores:
            cells.append(ConfirmedCell(evaluation, scores, len(repetitions) - len(scores)))
    return sorted(cells, key=lambda item: (-(item.evaluation.score or 0.0), item.evaluation.cell))


def verdicts(cells: Sequence[ConfirmedCell]) -> list[Verdict]:
    """Every grown cell against the best single-block one (by the search's score, so chosen before confirming).

    Empty if there is not one of each.
    """
    single = next((cell for cell in cells if cell.evaluation.step == 1), None)
    if single is None:
        return []
    return [_verdict(cell, single) for cell in cells if cell.evaluation.step > 1]


def _verdict(grown: ConfirmedCell, single: ConfirmedCell) -> Verdict:
    found = difference(grown.scores, single.scores)
    savings = {}
    for name, words in _COSTS.items():
        new, old = getattr(grown.evaluation, name), getattr(single.evaluation, name)
        if new is not None and old and new <= 0.95 * old:
            savings[words] = 1 - new / old
    return Verdict(grown, single, found, savings, _outcome(grown, single, found, savings))


def _outcome(
    grown: ConfirmedCell, single: ConfirmedCell, found: Interval, savings: dict[str, float]
) -> Outcome:
    if found.half is None:
        return "unknown"
    if found.mean - found.half > 0:
        return "better"
    if found.mean + found.half < 0:
        return "worse"
    return "cheaper" if savings and found.mean >= -_standard_error(grown, single) else "no difference"


def _standard_error(first: ConfirmedCell, second: ConfirmedCell) -> float:
    total = 0.0
    for cell in (first, second):
        mean = sum(cell.scores) / len(cell.scores)
        squares = sum((score - mean) ** 2 for score in cell.scores)
        total += squares / (len(cell.scores) - 1) / len(cell.scores)
    return total**0.5
