"""The exploration front: good cells that use the inputs and operators which the front neglects.

The walk over the candidates is sequential, as taking a cell changes what the next ones are worth; but the
worth of all candidates follows from one small table that changes only then, so a stretch of candidates is
looked at at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from popnas.cells import SearchSpace

# An element is neglected if the front uses it less than a fifth as often as the average of its kind.
_NEGLECT_FACTOR = 5
_THRESHOLD_BOTH_KINDS = 8
_THRESHOLD_ONE_KIND = 4
_FIRST_STRETCH = 1024


def explore(
    cells_NB4: np.ndarray,
    values_NM: np.ndarray,
    maximize: Sequence[bool],
    front: np.ndarray,
    space: SearchSpace,
    step: int,
    max_cells: int,
) -> np.ndarray:
    """The exploration cells of step b, as positions in order of taking.

    Candidates (canonical, distinct) and their objectives come in order of decreasing score, then canonical
    form; `front` holds the positions of the selected ones.
    """
    inputs, operators = _neglected(cells_NB4[front], space, step)
    worth = _Worth(inputs, operators)
    if not worth.has_members:
        return np.zeros(0, dtype=np.int64)
    costs_NM = np.where(np.asarray(maximize, dtype=bool), -values_NM, values_NM)
    is_open_N = np.ones(len(cells_NB4), dtype=bool)
    is_open_N[front] = False
    taken: list[int] = []
    position, stretch = 0, _FIRST_STRETCH
    while position < len(cells_NB4) and len(taken) < max_cells:
        part = slice(position, position + stretch)
        is_eligible = is_open_N[part] & (worth.of(cells_NB4[part], space) >= worth.threshold)
        is_eligible &= ~_is_dominated(costs_NM[part], costs_NM[taken])
        eligible = np.flatnonzero(is_eligible)
        if len(eligible):
            taken.append(position + int(eligible[0]))
            worth.count(cells_NB4[taken[-1]], space)
            position, stretch = taken[-1] + 1, _FIRST_STRETCH
        else:
            position, stretch = position + stretch, stretch * 2
    return np.array(taken, dtype=np.int64)


def _neglected(front_KB4: np.ndarray, space: SearchSpace, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of the step's inputs (-L first) and which operators the front neglects, as two masks."""
    counts = _count(front_KB4, space, len(space.inputs(step)))
    inputs, operators = (uses * len(uses) * _NEGLECT_FACTOR < uses.sum() for uses in counts)
    return inputs, operators


def _count(cells_KB4: np.ndarray, space: SearchSpace, num_inputs: int) -> tuple[np.ndarray, np.ndarray]:
    inputs = np.bincount((cells_KB4[:, :, 0::2] + space.lookback_depth).ravel(), minlength=num_inputs)
    operators = np.bincount(cells_KB4[:, :, 1::2].ravel(), minlength=space.num_operators)
    return inputs, operators


class _Worth:
    """What a cell is worth, given how often the cells taken so far use each neglected element."""

    def __init__(self, is_neglected_input: np.ndarray, is_neglected_operator: np.ndarray) -> None:
        self.members = (is_neglected_input, is_neglected_operator)
        self.uses = (
            np.zeros(len(is_neglected_input), dtype=np.int64),
            np.zeros(len(is_neglected_operator), dtype=np.int64),
        )

    @property
    def has_members(self) -> bool:
        return any(members.any() for members in self.members)

    @property
    def threshold(self) -> int:
        has_both = all(members.any() for members in self.members)
        return _THRESHOLD_BOTH_KINDS if has_both else _THRESHOLD_ONE_KIND

    def of(self, cells_NB4: np.ndarray, space: SearchSpace) -> np.ndarray:
        """The exploration score of each cell, (N,)."""
        inputs, operators = self._points()
        worth_N = np.zeros(len(cells_NB4), dtype=np.int16)
        for block in range(cells_NB4.shape[1]):
            for half in (0, 2):
                worth_N += inputs[cells_NB4[:, block, half] + space.lookback_depth]
                worth_N += operators[cells_NB4[:, block, half + 1]]
        return worth_N

    def count(self, cell_B4: np.ndarray, space: SearchSpace) -> None:
        """Add a taken cell's uses of neglected elements to the counters."""
        counts = _count(cell_B4[None], space, len(self.uses[0]))
        for uses, count, members in zip(self.uses, counts, self.members, strict=True):
            uses += count * members

    def _points(self) -> Iterator[np.ndarray]:
        totals = [int(uses.sum()) for uses in self.uses]
        for uses, members, total in zip(self.uses, self.members, totals, strict=True):
            is_rare = uses * np.count_nonzero(members) <= total
            is_rarer_kind = total <= min(totals)
            yield (members * (1 + 2 * is_rare + is_rarer_kind)).astype(np.int16)


def _is_dominated(costs_NM: np.ndarray, by_TM: np.ndarray) -> np.ndarray:
    is_dominated_N = np.zeros(len(costs_NM), dtype=bool)
    for cost_M in by_TM:
        is_dominated_N |= (cost_M <= costs_NM).all(axis=1) & (cost_M < costs_NM).any(axis=1)
    return is_dominated_N
