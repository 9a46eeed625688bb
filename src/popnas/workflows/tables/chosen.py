"""Which cells a table is made of, and which of them are trained several times.

Axes: N cells, B blocks, S the steps 0..B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popnas.cells import Cell, SearchSpace, bulk
from popnas.cells.space import NO_BLOCK
from popnas.errors import UserError
from popnas.seeds import derive_seed
from popnas.workflows.tables.request import TableRequest

_MOST_EXPANSIONS = 5_000_000


@dataclass(frozen=True)
class Chosen:
    """The cells of a table: (N, B, 4) canonical and in order; of the space there are `space_sizes` (S,)."""

    cells: np.ndarray
    space_sizes: np.ndarray


def cells(space: SearchSpace, request: TableRequest, seed: int) -> Chosen:
    """All cells of a space, or an even sample of those of so many blocks.

    Raises:
        UserError: the space is too large to be counted through.
    """
    grown = space.encode([Cell()], 0)
    found, sizes = [], []
    for step in range(space.num_blocks + 1):
        if step == 1:
            grown = space.new_blocks(1)[:, None]
        elif step > 1:
            _check_size(space, step, len(grown))
            grown = bulk.expand(grown, space).canonical
        sizes.append(len(grown))
        number = request.samples.get(str(step))
        kept = grown
        if number is not None and number < len(grown):
            rng = np.random.default_rng(derive_seed(seed, "table", step))
            kept = grown[np.sort(rng.choice(len(grown), size=number, replace=False))]
        wide = np.empty((len(kept), space.num_blocks, 4), dtype=np.int16)
        wide[:] = NO_BLOCK
        wide[:, :step] = kept
        found.append(wide)
    cells_NB4 = np.concatenate(found)
    return Chosen(cells_NB4[bulk.order(cells_NB4)], np.array(sizes, dtype=np.int64))


def _check_size(space: SearchSpace, step: int, num_parents: int) -> None:
    expansions = num_parents * space.count_new_blocks(step)
    if expansions > _MOST_EXPANSIONS:
        raise UserError(
            f"search_space: cells of {step} blocks come of {expansions:,} expansions, too many for a table "
            f"(at most {_MOST_EXPANSIONS:,}). Choose fewer operators or blocks, or a smaller lookback_depth."
        )


def repeated(scores_N: np.ndarray, request: TableRequest, seed: int) -> np.ndarray:
    """Which cells are trained again, as positions in ascending order: one half drawn evenly, so that the
    noise of all can be told, the other the best by the score of their first training (N,), so that the best
    one can be told from a lucky one. NaN: failed, never among the best."""
    number = min(request.repeated, len(scores_N))
    rng = np.random.default_rng(derive_seed(seed, "table", "repeated"))
    drawn = rng.choice(len(scores_N), size=(number + 1) // 2, replace=False)
    order = np.argsort(-np.nan_to_num(scores_N, nan=-1.0), kind="stable")
    best = order[~np.isin(order, drawn)][: number - len(drawn)]
    return np.sort(np.concatenate([drawn, best]))
