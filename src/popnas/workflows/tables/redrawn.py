"""A table with many trainings of every cell, drawn from one that has a few of some.

Which rule of choosing a winner is best cannot be seen over a table whose cells were trained once to three
times: who repeats trainings has soon seen all that there are, none is left to judge by, and the luck of the
few best cells is the same for every seed. So what was measured is taken for the truth, and around it
trainings are drawn with the noise that was measured between trainings of one cell.

Axes: N cells, R trainings, D cells trained repeatedly, C their trainings that may be used, E fidelities, M
metrics.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from popnas.errors import UserError
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable
from popnas.printable import counted
from popnas.seeds import derive_seed

_NEAR = 40
"""Noise is that of one of so many cells of the nearest score: good cells scatter less than bad ones."""
_LEAST_SECONDS = 0.1
"""Of a cell's mean: no training takes less, whatever is drawn."""


_KEPT_AS = {
    "metrics": "mean_metrics",
    "training_seconds": "mean_seconds",
    "inference_seconds": "mean_inference_seconds",
}
"""Of a table's figures the names of their means."""


def redrawn(table: CellTable, trainings: int, seed: int = 0) -> CellTable:
    """The same cells with so many trainings each. The mean of a cell is that of its trainings, without the
    first where there are others, as it decided which cells were trained again. Around it stands, for all
    figures together, what one training of a cell of nearly that score had beside the mean of its own. The
    means are kept: by them it is judged what was found.

    Raises:
        UserError: fewer than 3 cells have three trainings or more, so the noise is not known.
    """
    rng = np.random.default_rng(derive_seed(seed, "redrawn"))
    worked_NR = (np.arange(table.failures.shape[1]) < table.repetitions[:, None]) & (
        table.failures == stored.WORKED
    )
    taken_NR = worked_NR.copy()
    taken_NR[:, 0] &= ~worked_NR[:, 1:].any(axis=1)
    donors_D = np.flatnonzero((taken_NR.sum(axis=1) >= 2) & (table.num_blocks > 0))
    if len(donors_D) < 3:
        raise UserError(
            f"`trainings` {trainings}: {counted(len(donors_D), 'cell')} of the table with three trainings "
            "tell too little of the noise between them; three cells are the least. Build it with three seeds "
            "of some dozens of cells."
        )
    score_N = _means(table.metrics[:, :, -1, table.score_place], taken_NR)
    donor_NR = _donors(score_N, donors_D, trainings, rng)
    training_NR = _drawn(taken_NR[donor_NR.ravel()], rng).reshape(donor_NR.shape)
    sign_NR = rng.choice((-1.0, 1.0), size=donor_NR.shape)

    def around(values: np.ndarray, *, is_relative: bool) -> np.ndarray:
        mean_N = _means(values, taken_NR)
        scale = mean_N if is_relative else np.ones_like(mean_N)
        beside = _beside(values, mean_N, taken_NR)[donor_NR, training_NR] / scale[donor_NR]
        trailing = (1,) * (values.ndim - 2)
        noise = beside * sign_NR.reshape(*sign_NR.shape, *trailing)
        if is_relative:
            return np.asarray(mean_N[:, None] * np.maximum(1 + noise, _LEAST_SECONDS))
        return np.asarray(np.clip(mean_N[:, None] + noise, 0, 1))

    fails_NR = np.take_along_axis(
        table.failures, rng.integers(table.repetitions[:, None], size=donor_NR.shape), axis=1
    )
    found = {
        "metrics": around(table.metrics, is_relative=False),
        "training_seconds": around(table.training_seconds, is_relative=True),
        "inference_seconds": around(table.inference_seconds, is_relative=True),
    }
    for values in found.values():
        values[fails_NR != stored.WORKED] = np.nan
    means = {kept: _means(getattr(table, name), taken_NR) for name, kept in _KEPT_AS.items()}
    about = {**table.provenance, "redrawn": {"trainings": trainings, "seed": seed, "of": table.sha256}}
    return stored.sound(
        dataclasses.replace(
            table,
            about=np.array(json.dumps(about)),
            **{name: values.astype(np.float32) for name, values in {**found, **means}.items()},
            repetitions=np.full(len(table.cells), trainings, dtype=np.int64),
            failures=fails_NR.astype(np.int8),
        )
    )


def _means(values: np.ndarray, taken_NR: np.ndarray) -> np.ndarray:
    """(N, ...) over the trainings that are taken; NaN: none."""
    weights = taken_NR.reshape(*taken_NR.shape, *(1,) * (values.ndim - 2))
    sums = np.where(weights, values, 0).sum(axis=1, dtype=np.float64)
    counts = weights.sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _beside(values: np.ndarray, means: np.ndarray, taken_NR: np.ndarray) -> np.ndarray:
    """(N, R, ...) what each training has beside the mean of its cell, widened to the noise of one training:
    of C trainings those are nearer to their own mean than to the true one."""
    counts_N = taken_NR.sum(axis=1)
    widened_N = np.sqrt(counts_N / np.maximum(counts_N - 1, 1))
    return (values - means[:, None]) * widened_N.reshape(-1, *(1,) * (values.ndim - 1))


def _donors(
    score_N: np.ndarray, donors_D: np.ndarray, trainings: int, rng: np.random.Generator
) -> np.ndarray:
    """(N, R) for each training to be drawn a cell of nearly the same score."""
    ordered_D = donors_D[np.argsort(score_N[donors_D], kind="stable")]
    place_N = np.searchsorted(score_N[ordered_D], np.nan_to_num(score_N))
    near = min(_NEAR, len(ordered_D))
    first_N = np.clip(place_N - near // 2, 0, len(ordered_D) - near)
    return np.asarray(ordered_D[first_N[:, None] + rng.integers(near, size=(len(score_N), trainings))])


def _drawn(taken_KR: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(K,) one of the trainings that are taken."""
    return np.asarray(np.where(taken_KR, rng.random(taken_KR.shape), -1).argmax(axis=1))
