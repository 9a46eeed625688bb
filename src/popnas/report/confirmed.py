"""What the confirmations say: are the best cells as good with other seeds, and did growing cells pay?

Only the confirmations count here, not the scores by which the cells were chosen: of many noisy scores the
best is too good on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from popnas.evaluation import Evaluation
from popnas.objectives.rows import FLOPS, PARAMS, TIME
from popnas.ranking import ranked
from popnas.report.run_data import RunData
from popnas.report.statistics import Interval, SeedNoise

Outcome = Literal["better", "cheaper", "no difference", "worse", "unknown"]
# Not the inference time: it is of one batch, whose noise is as large as what one saves.
_COSTS = (TIME, PARAMS, FLOPS)


@dataclass(frozen=True)
class ConfirmedCell:
    """A cell with its confirmed scores, their mean with its 95 % interval; `num_failed` repetitions gave
    none.
    """

    evaluation: Evaluation
    scores: tuple[float, ...]
    num_failed: int
    noise: SeedNoise

    @property
    def summary(self) -> Interval:
        """Mean and 95 % interval, by the seed noise of all confirmed cells."""
        return self.noise.interval(self.scores)


@dataclass(frozen=True)
class Verdict:
    """A grown cell against the best single-block cell.

    `outcome`: "better" (the 95 % interval of the difference lies above 0), "cheaper" (no difference beyond
    seed noise, the mean lower by at most half of the interval, and cheaper), "no difference", "worse", or
    "unknown" (too few repetitions). `savings`: cost in words to the share saved, of the costs that are at
    least 5 % lower.
    """

    grown: ConfirmedCell
    single: ConfirmedCell
    difference: Interval
    savings: dict[str, float]
    outcome: Outcome


def confirmed_cells(run: RunData) -> list[ConfirmedCell]:
    """All cells that were trained again successfully, in order of the search's own score."""
    found: list[tuple[Evaluation, tuple[float, ...], int]] = []
    confirmed = {item.cell for item in run.state.confirmations}
    for evaluation in ranked(item for item in run.state.evaluations if item.cell in confirmed):
        repetitions = [item for item in run.state.confirmations if item.cell == evaluation.cell]
        scores = tuple(item.score for item in repetitions if not item.is_failed and item.score is not None)
        if scores:
            found.append((evaluation, scores, len(repetitions) - len(scores)))
    noise = SeedNoise.of([scores for _, scores, _ in found])
    return [ConfirmedCell(*item, noise) for item in found]


def verdicts(cells: Sequence[ConfirmedCell]) -> list[Verdict]:
    """Every grown cell against the best single-block one (by the search's score, so chosen before
    confirming).

    Empty if there is not one of each.
    """
    single = next((cell for cell in cells if cell.evaluation.step == 1), None)
    if single is None:
        return []
    return [_verdict(cell, single) for cell in cells if cell.evaluation.step > 1]


def _verdict(grown: ConfirmedCell, single: ConfirmedCell) -> Verdict:
    found = grown.noise.difference(grown.scores, single.scores)
    savings = {}
    for cost in _COSTS:
        new, old = cost.value(grown.evaluation), cost.value(single.evaluation)
        if new is not None and old and new <= 0.95 * old:
            savings[cost.title] = 1 - new / old
    return Verdict(grown, single, found, savings, _outcome(found, savings))


def _outcome(found: Interval, savings: dict[str, float]) -> Outcome:
    if found.half is None:
        return "unknown"
    if found.mean - found.half > 0:
        return "better"
    if found.mean + found.half < 0:
        return "worse"
    # Anything lies within the noise if there is enough of it: as good means that the mean is near, too.
    return "cheaper" if savings and found.mean >= -found.half / 2 else "no difference"
