"""What the figures of a table are worth: how far they are apart, and how far the same cell's trainings agree.

Axes: N cells, R repetitions, E fidelities.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from popnas.errors import UserError, nearest
from popnas.evaluators.table.stored import CellTable
from popnas.records import Record

_FEWEST = 3


@dataclass(frozen=True)
class Fidelity(Record):
    """Of one number of epochs.

    `lowest`, `median`, `highest`: of the first trainings' scores; `spread`: their standard deviation over
    cells; `noise`: that between trainings of one cell, pooled; `between_seeds`: Spearman's rank correlation
    of the same cells' scores with different seeds, the mean over pairs of seeds; `with_last`: of the cells'
    mean scores with those at the last fidelity. None where fewer than 3 cells are trained again.
    """

    epochs: int
    lowest: float
    median: float
    highest: float
    spread: float
    noise: float | None
    between_seeds: float | None
    with_last: float | None
    training_seconds: float


@dataclass(frozen=True)
class Worth(Record):
    """What a table is worth for a metric: of which cells it holds, and each of its fidelities."""

    metric: str
    cells: list[int]
    space_sizes: list[int]
    repeated: int
    failed: int
    fidelities: list[Fidelity]


def worth(table: CellTable, metric: str | None = None) -> Worth:
    """Look at a metric, the first unless named; the empty cell counts for nothing but the cells.

    Raises:
        UserError: the table has no such metric.
    """
    names = table.metric_names.tolist()
    metric = names[0] if metric is None else metric
    if metric not in names:
        raise UserError(f"`metric` '{metric}': the table has: {', '.join(names)}.{nearest(metric, names)}")
    scores_NRE = table.metrics[table.num_blocks > 0, :, :, names.index(metric)].astype(np.float64)
    seconds_NE = table.training_seconds[table.num_blocks > 0, 0]
    last_N = _means(scores_NRE[:, :, -1])
    most = int(table.repetitions.max())
    return Worth(
        metric=str(metric),
        cells=table.held.tolist(),
        space_sizes=table.space_sizes.tolist(),
        repeated=int((table.repetitions == most).sum()) if most > 1 else 0,
        failed=int((table.failures >= 0).sum()),
        fidelities=[
            _fidelity(int(epochs), scores_NRE[:, :, place], last_N, float(np.nanmedian(seconds_NE[:, place])))
            for place, epochs in enumerate(table.epochs)
        ],
    )


def _fidelity(epochs: int, scores_NR: np.ndarray, last_N: np.ndarray, seconds: float) -> Fidelity:
    first_N = scores_NR[:, 0][np.isfinite(scores_NR[:, 0])]
    again = scores_NR[np.isfinite(scores_NR).all(axis=1)] if scores_NR.shape[1] > 1 else scores_NR[:0]
    has_again = len(again) >= _FEWEST
    pairs = combinations(range(scores_NR.shape[1]), 2)
    return Fidelity(
        epochs=epochs,
        lowest=float(first_N.min()),
        median=float(np.median(first_N)),
        highest=float(first_N.max()),
        spread=float(first_N.std()),
        noise=float(np.sqrt(again.var(axis=1, ddof=1).mean())) if has_again else None,
        between_seeds=(
            float(np.mean([rank_correlation(again[:, one], again[:, other]) for one, other in pairs]))
            if has_again
            else None
        ),
        with_last=rank_correlation(_means(scores_NR), last_N) if len(first_N) >= _FEWEST else None,
        training_seconds=seconds,
    )


def _means(scores_NR: np.ndarray) -> np.ndarray:
    is_there = np.isfinite(scores_NR)
    sums = np.where(is_there, scores_NR, 0).sum(axis=1)
    return np.where(is_there.any(axis=1), sums / np.maximum(is_there.sum(axis=1), 1), np.nan)


def rank_correlation(one_N: np.ndarray, other_N: np.ndarray) -> float:
    """Spearman's, over what both have; 0 where all of one are equal, since nothing is ranked there."""
    is_there = np.isfinite(one_N) & np.isfinite(other_N)
    one, other = one_N[is_there], other_N[is_there]
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(stats.spearmanr(one, other).statistic)
