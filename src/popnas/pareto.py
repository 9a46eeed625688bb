"""Pareto fronts and hypervolumes.

Knows arrays only: no cells, no objectives' names; numpy, and moocore on first use. N points, M objectives;
`maximize` says per objective whether more is better. A point dominates another if it is no worse in every
objective and better in at least one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def front(values_NM: np.ndarray, maximize: Sequence[bool]) -> np.ndarray:
    """Which points no other dominates, (N,) bool; of exactly equal points only the first in input order.

    Takes O(n log n) for up to three objectives (Kung, Luccio and Preparata 1975, in moocore).

    Raises:
        ValueError: a value that is not finite (moocore would call a NaN point non-dominated).
    """
    costs_NM = _as_costs(values_NM, maximize)
    if len(costs_NM) == 0:
        return np.zeros(0, dtype=bool)
    import moocore

    candidates = np.flatnonzero(moocore.is_nondominated(costs_NM, keep_weakly=True))
    _, first = np.unique(costs_NM[candidates], axis=0, return_index=True)
    mask_N = np.zeros(len(costs_NM), dtype=bool)
    mask_N[candidates[first]] = True
    return mask_N


def hypervolume(values_NM: np.ndarray, maximize: Sequence[bool], worst_M: np.ndarray) -> float:
    """The volume of what the points dominate, up to the corner `worst_M`; 0 for no points.

    Points that are worse than the corner in some objective add nothing.

    Raises:
        ValueError: a value that is not finite.
    """
    costs_NM = _as_costs(values_NM, maximize)
    corner_M = _as_costs(np.asarray(worst_M)[None], maximize)[0]
    if len(costs_NM) == 0:
        return 0.0
    import moocore

    return float(moocore.hypervolume(costs_NM, ref=corner_M))


def normalized_hypervolume(point_sets: Sequence[np.ndarray], maximize: Sequence[bool]) -> list[float]:
    """The hypervolume of each set (N_i, M), all objectives scaled to [0, 1] over all sets together.

    The worst corner of all points is the reference, so a figure lies in 0..1 and figures of one call can be
    compared. An objective in which all points agree counts as reached by all of them.

    Raises:
        ValueError: a value that is not finite.
    """
    costs = [_as_costs(values_NM, maximize) for values_NM in point_sets]
    together = np.concatenate(costs) if costs else np.zeros((0, len(maximize)))
    if len(together) == 0:
        return [0.0 for _ in costs]
    best_M, worst_M = together.min(axis=0), together.max(axis=0)
    extent_M = np.where(worst_M > best_M, worst_M - best_M, 1.0)
    corner_M = np.ones(len(maximize))
    return [hypervolume((cost - best_M) / extent_M, [False] * len(maximize), corner_M) for cost in costs]


def _as_costs(values_NM: np.ndarray, maximize: Sequence[bool]) -> np.ndarray:
    """The points with every objective to be minimised, as float64 in memory order."""
    values_NM = np.asarray(values_NM, dtype=np.float64)
    if values_NM.ndim != 2 or values_NM.shape[1] != len(maximize):
        raise ValueError(f"points must be an array (N, {len(maximize)}). Got shape {values_NM.shape} instead")
    if not np.isfinite(values_NM).all():
        raise ValueError(
            f"objectives must be finite. Got {np.argwhere(~np.isfinite(values_NM))[0]} not finite"
        )
    # Adding 0 turns -0.0 into 0.0: they are equal and must compare so.
    return np.ascontiguousarray(np.where(np.asarray(maximize, dtype=bool), -values_NM, values_NM) + 0.0)
