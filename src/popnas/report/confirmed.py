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

    @property
    def words(self) -> str:
        """That, and over how many seeds."""
        return f"{self.summary} over {len(self.scores)} other seed{'s' if len(self.scores) > 1 else ''}"


@dataclass(frozen=True)
class Verdict:
    """A grown cell against the single-block cell of the best confirmed mean, one of `num_singles`.

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
    num_singles: int


@dataclass(frozen=True)
class BetterMean:
    """The cell with the best confirmed mean, where that is not the search's best cell.

    `best`: the search's best cell, which its score in the search chose; None: none of its repetitions gave a
    score. `difference`: of the means, None without `best`.
    """

    cell: ConfirmedCell
    best: ConfirmedCell | None
    difference: Interval | None

    @property
    def words(self) -> str:
        """How sure that is."""
        if self.best is None or self.difference is None:
            return "the best cell itself has none"
        half = self.difference.half
        against = f"the best cell's {self.best.summary.mean:.4f}"
        if half is None:
            return f"above {against}; too few repetitions to tell them apart"
        if self.difference.mean > half:
            return f"above {against} beyond seed noise"
        return f"above {against}, but within seed noise"


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
    """Every grown cell, in the order of the search's scores, against the best single-block one.

    That is the one of the best confirmed mean: who beats it beats every single-block cell that was confirmed.
    The first grown cell was chosen before confirming, so its verdict is not picked from many. Empty if there
    is not one of each.
    """
    singles = [cell for cell in cells if cell.evaluation.step == 1]
    if not singles:
        return []
    single = max(singles, key=lambda cell: cell.summary.mean)
    return [_verdict(cell, single, len(singles)) for cell in cells if cell.evaluation.step > 1]


def better_than_best(run: RunData) -> BetterMean | None:
    """What `better_mean` says of the search's best cell; None where repeated trainings made it the best, as a
    mean of few of them is worth less than one of many."""
    best = run.state.best
    if best is None or run.state.winner is not None:
        return None
    return better_mean(confirmed_cells(run), best.cell)


def better_mean(cells: Sequence[ConfirmedCell], best: str) -> BetterMean | None:
    """The confirmed cell whose mean is above that of the search's best cell (canonical form); None if none
    is."""
    if not cells:
        return None
    own = next((cell for cell in cells if cell.evaluation.cell == best), None)
    strongest = max(cells, key=lambda cell: cell.summary.mean)
    if own is None:
        return BetterMean(strongest, None, None)
    if strongest.summary.mean <= own.summary.mean:
        return None
    return BetterMean(strongest, own, strongest.noise.difference(strongest.scores, own.scores))


def _verdict(grown: ConfirmedCell, single: ConfirmedCell, num_singles: int) -> Verdict:
    found = grown.noise.difference(grown.scores, single.scores)
    savings = {}
    for cost in _COSTS:
        new, old = cost.value(grown.evaluation), cost.value(single.evaluation)
        if new is not None and old and new <= 0.95 * old:
            savings[cost.title] = 1 - new / old
    return Verdict(grown, single, found, savings, _outcome(found, savings), num_singles)


def _outcome(found: Interval, savings: dict[str, float]) -> Outcome:
    if found.half is None:
        return "unknown"
    if found.mean - found.half > 0:
        return "better"
    if found.mean + found.half < 0:
        return "worse"
    # Anything lies within the noise if there is enough of it: as good means that the mean is near, too.
    return "cheaper" if savings and found.mean >= -found.half / 2 else "no difference"
