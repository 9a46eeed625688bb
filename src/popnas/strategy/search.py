"""The progressive search: what to train at each step, given what was learnt so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from popnas import objectives, ranking
from popnas.cells import Cell, SearchSpace
from popnas.cells.bulk import Expansion
from popnas.evaluation import Evaluation
from popnas.strategy.first_step import designed
from popnas.strategy.selection import Selection, best_left, select
from popnas.strategy.settings import StrategySettings

Knows = Callable[[np.ndarray], np.ndarray]
"""Cells (N, B, 4) -> (N,) bool: whether each can be evaluated."""


def everything(cells_NB4: np.ndarray) -> np.ndarray:
    """All of them can."""
    return np.ones(len(cells_NB4), dtype=bool)


@dataclass(frozen=True)
class Proposal:
    """A cell to train, in canonical form, and its predictions (none at steps 0 and 1)."""

    cell: Cell
    is_exploration: bool = False
    is_random: bool = False
    predictions: dict[str, float] = field(default_factory=dict)


class ProgressiveSearch:
    """Proposes cells for steps 0 to B and records their evaluations.

    The driver trains `proposals(0)` and `proposals(1)`; then for b = 2..B it expands `parents(b)`, predicts
    the expansions and trains what `select` takes of them (as `proposals_of`). If `parents(b)` is empty, every
    candidate of the last step failed and the search is over. A search is resumed by recording the evaluations
    that there are, in any order.
    """

    def __init__(self, space: SearchSpace, settings: StrategySettings) -> None:
        self.space = space
        self.settings = settings
        self._evaluations: dict[tuple[int, int], Evaluation] = {}

    def proposals(
        self, step: int, knows: Knows = everything, needed: Collection[Cell] = ()
    ) -> list[Proposal]:
        """Step 0: the empty cell. Step 1: every single-block cell over the lookbacks, whatever K is; with
        `single_block_repeats` a part, the `needed` ones in it. Those that `knows` says can be evaluated."""
        assert step in (0, 1), "from step 2 on proposals come from predictions: see select and proposals_of"
        cells_NB4 = self.space.new_blocks(1)[:, None] if step else self.space.encode([Cell()], 1)
        cells_NB4 = cells_NB4[knows(cells_NB4)]
        cells = self.space.decode(cells_NB4)
        repeats = self.settings.single_block_repeats
        if step and repeats:
            is_needed_N = np.array([cell in needed for cell in cells])
            chosen = designed(cells_NB4[:, 0], is_needed_N, repeats, self.space, self.settings.seed)
            cells = [cells[position] for position in chosen]
        return [Proposal(cell) for cell in cells]

    def record(self, evaluation: Evaluation) -> None:
        """Learn the result of a proposal; failed ones too are results."""
        self._evaluations[evaluation.step, evaluation.index] = evaluation

    def evaluations(self, step: int) -> list[Evaluation]:
        """What was recorded of a step, in the order of its proposals (never that of completion)."""
        return [self._evaluations[key] for key in sorted(self._evaluations) if key[0] == step]

    def parents(self, step: int) -> list[Cell]:
        """The cells that a step (2 to B) expands: all successes of the step before."""
        return [Cell.parse(item.cell) for item in self.evaluations(step - 1) if not item.is_failed]

    def num_rounds(self, step: int) -> int:
        """In how many rounds a step chooses its cells at most; steps 0 and 1 have nothing to choose."""
        return self.settings.num_rounds(is_last=step == self.space.num_blocks) if step >= 2 else 1

    def select(
        self, step: int, round_number: int, expansion: Expansion, predictions: Mapping[str, np.ndarray]
    ) -> Selection:
        """Select among a step's expansions, from the predictions (N,) of each objective: see `select`."""
        return select(expansion.canonical, predictions, self.space, self.settings, step, round_number)

    def proposals_of(
        self, expansion: Expansion, selection: Selection, predictions: Mapping[str, np.ndarray]
    ) -> list[Proposal]:
        """A selection as proposals, the front first, with all predictions (those compared: as compared)."""
        chosen = np.concatenate([selection.front, selection.exploration, selection.random])
        cells = self.space.decode(expansion.canonical[chosen])
        known = {**predictions, **selection.predictions}
        values = {name: predicted[chosen].tolist() for name, predicted in known.items()}
        num_front, num_selected = len(selection.front), len(chosen) - len(selection.random)
        return [
            Proposal(
                cell,
                num_front <= index < num_selected,
                index >= num_selected,
                {name: values[name][index] for name in values},
            )
            for index, cell in enumerate(cells)
        ]

    def untrained(self, expansion: Expansion, predictions: Mapping[str, np.ndarray]) -> list[Proposal]:
        """The best predicted scores of what a step has not trained: further parents of the next one."""
        best = best_left(expansion.canonical, predictions, self.space, self.settings)
        nothing = np.zeros(0, dtype=np.int64)
        return self.proposals_of(expansion, Selection(best, nothing, nothing, 0, {}), predictions)

    def best(self) -> Evaluation | None:
        """The success with the best score within the constraints, the empty cell excepted; of equal ones the
        first in order."""
        return ranking.best(
            item
            for item in self._evaluations.values()
            if not item.is_failed
            and item.step > 0
            and item.score is not None
            and objectives.keeps_to(item, self.settings.constraints)
        )
