"""A table with many trainings of every cell keeps the means and the noise of the one it is drawn from."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from popnas.errors import UserError
from popnas.evaluators.table import stored
from popnas.workflows.tables.redrawn import redrawn

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
from made_tables import made


def test_means_and_noise_are_those_that_were_measured() -> None:
    table = made(2, 2)  # noise even between 0 and 0.05
    found = redrawn(table, 30)
    assert stored.fault_of(found) is None
    assert (found.repetitions == 30).all()
    scores_NR = found.metrics[:, :, -1, 0]
    again_N = table.repetitions > 1
    others_N = table.metrics[:, 1:, -1, 0].mean(axis=1)  # NaN where there are none
    kept_N = np.where(again_N, others_N, table.metrics[:, 0, -1, 0])
    np.testing.assert_allclose(scores_NR.mean(axis=1), kept_N, atol=4 * 0.02 / np.sqrt(30))
    noise = np.sqrt(np.diff(table.metrics[again_N, 1:, -1, 0], axis=1).var() / 2)
    assert scores_NR.std(axis=1, ddof=1).mean() == pytest.approx(noise, rel=0.15)
    assert not np.array_equal(scores_NR, redrawn(table, 30, seed=1).metrics[:, :, -1, 0])
    np.testing.assert_array_equal(scores_NR, redrawn(table, 30).metrics[:, :, -1, 0])


def test_a_cell_fails_as_often_as_it_did() -> None:
    table = made(2, 1)
    failures = table.failures.copy()
    failures[0] = failures[2, 1] = 0
    gone = failures[:, :, None] != stored.WORKED
    table = replace(
        table,
        failures=failures,
        metrics=np.where(gone[..., None], np.nan, table.metrics).astype(np.float32),
        training_seconds=np.where(gone, np.nan, table.training_seconds).astype(np.float32),
        inference_seconds=np.where(gone[..., 0], np.nan, table.inference_seconds).astype(np.float32),
    )
    found = redrawn(table, 60)
    fails_N = (found.failures != stored.WORKED).mean(axis=1)
    assert fails_N[0] == 1 and 0.15 < fails_N[2] < 0.55 and fails_N[3:].max() == 0


def test_noise_that_nobody_measured_is_not_made_up() -> None:
    table = made(2, 1)
    once = replace(table, repetitions=np.ones_like(table.repetitions))
    with pytest.raises(UserError, match="too little of the noise"):
        redrawn(once, 4)
