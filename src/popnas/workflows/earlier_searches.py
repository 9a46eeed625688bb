"""What earlier searches of the same operators found out, for the score predictor of a new one.

It is read once, when a search begins, and stands in its journal from then on: the runs may change or go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from popnas.cells import Cell, SearchSpace
from popnas.errors import CellSyntaxError, RunFolderError, UserError
from popnas.evaluators import Evaluator
from popnas.printable import counted, quoted
from popnas.runs import EarlierScores, RunFolder

FIELD = "others.predictors.earlier_runs"
_FEWEST = 10
_MOST = 500
"""Of a run: more hardly say more, and the fit takes as long as they are many."""


def read(evaluator: Evaluator) -> tuple[list[EarlierScores], list[str]]:
    """What the runs lend that a configuration names, and what is to be told of it.

    Raises:
        UserError: no run, or one that lends too few cells.
    """
    found, told, space = list[EarlierScores](), list[str](), evaluator.space
    for place in evaluator.config.others.predictors.earlier_runs:
        folder = _opened(place)
        state = folder.state()
        scored = [
            (-score, item.cell)
            for item in state.successes
            if item.step > 0 and (score := state.known_score(item)) is not None
        ]
        known = sorted(each for each in scored if _is_of(Cell.parse(each[1]), space))
        if len(known) < _FEWEST:
            raise UserError(
                f"`{FIELD}` {quoted(place)}: of the {counted(len(scored), 'cell')} that were trained there "
                f"{len(known)} can be cells of this search, by operators ({', '.join(space.operators)}), "
                f"lookback depth ({space.lookback_depth}) and blocks ({space.num_blocks}). At least "
                f"{_FEWEST} must be, for a predictor to learn from them: leave this run out."
            )
        # Evenly by rank, the best and the worst among them.
        taken = np.unique(np.linspace(0, len(known) - 1, min(len(known), _MOST)).round().astype(int))
        cells, scores = [known[place][1] for place in taken], [-known[place][0] for place in taken]
        found.append(EarlierScores(folder.path.resolve().name, tuple(cells), tuple(scores)))
        if len(taken) < len(scored):
            why = _why(len(scored) - len(known), len(known) - len(taken))
            whole = counted(len(scored), "cell")
            told.append(
                f"{FIELD}: the score predictor learns from {len(taken)} of {whole} of {quoted(place)}; {why}"
            )
    return found, told


def _opened(place: str) -> RunFolder:
    try:
        return RunFolder.open(Path(place))
    except RunFolderError as error:
        raise RunFolderError(f"`{FIELD}`: {error}") from None


def _is_of(cell: Cell, space: SearchSpace) -> bool:
    try:
        space.encode([cell], space.num_blocks)
    except CellSyntaxError:
        return False
    return True


def _why(num_foreign: int, num_beyond: int) -> str:
    reasons = []
    if num_foreign:
        reasons.append(f"{num_foreign} are no cells of this search")
    if num_beyond:
        reasons.append(f"{_MOST} of a run are enough, evenly chosen by their rank")
    return ", and ".join(reasons)


def encoded(
    earlier: Sequence[EarlierScores], space: SearchSpace
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """As predictors take it; see `PredictorContext.earlier`."""
    return tuple(
        (space.encode([Cell.parse(cell) for cell in each.cells], space.num_blocks), np.array(each.scores))
        for each in earlier
    )
