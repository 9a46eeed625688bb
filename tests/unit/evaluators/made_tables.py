"""Tables of cells from a formula, as `popnas bench build` would write them. Not a test: tests put this folder
on the path."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from popnas.cells import Cell, SearchSpace, bulk
from popnas.cells.space import NO_BLOCK
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable

OPERATORS = ("1x1 conv", "3x3 conv", "identity")
EPOCHS = (1, 3)
METRICS = ("accuracy", "f1_score")
NUM_REPETITIONS = 3


def all_cells(space: SearchSpace) -> np.ndarray:
    """(N, B, 4): every cell of a space, canonical, in order."""
    found = [space.encode([Cell()], space.num_blocks)]
    grown = space.new_blocks(1)[:, None]
    for step in range(1, space.num_blocks + 1):
        if step > 1:
            grown = bulk.expand(grown, space).canonical
        wide = np.empty((len(grown), space.num_blocks, 4), dtype=np.int16)
        wide[:] = NO_BLOCK
        wide[:, :step] = grown
        found.append(wide)
    cells_NB4 = np.concatenate(found)
    return cells_NB4[bulk.order(cells_NB4)]


def made(num_blocks: int = 2, lookback_depth: int = 2, *, seed: int = 0, **changes: Any) -> CellTable:
    """A whole table in which more and dearer operators score better; even rows are trained three times."""
    space = SearchSpace(OPERATORS, num_blocks, lookback_depth)
    cells_NB4 = all_cells(space)
    rng = np.random.default_rng(seed)
    worth = np.array([0.04, 0.07, 0.01, 0.0])[cells_NB4[:, :, 1::2]].sum(axis=(1, 2))
    params_N = 10 + np.array([30, 200, 0, 0])[cells_NB4[:, :, 1::2]].sum(axis=(1, 2))
    shape = (len(cells_NB4), NUM_REPETITIONS, len(EPOCHS), len(METRICS))
    accuracy = 0.3 + worth[:, None, None, None] * np.array([0.5, 1.0])[None, None, :, None]
    metrics = (accuracy + rng.uniform(0, 0.05, size=shape)).astype(np.float32)
    metrics = np.maximum.accumulate(metrics, axis=2)
    repetitions_N = np.where(np.arange(len(cells_NB4)) % 2, 1, NUM_REPETITIONS)
    is_there_NR = np.arange(NUM_REPETITIONS) < repetitions_N[:, None]
    seconds = (1 + params_N / 100)[:, None, None] * np.array(EPOCHS)[None, None]
    seconds = np.broadcast_to(seconds, shape[:3]).astype(np.float32)
    sizes_S = np.bincount(bulk.num_blocks(cells_NB4), minlength=num_blocks + 1)
    table = CellTable(
        about=np.array(json.dumps({"made": "by a formula"})),
        operators=np.array(OPERATORS),
        cells=cells_NB4,
        space_sizes=sizes_S.astype(np.int64),
        lookback_depth=np.array(lookback_depth),
        epochs=np.array(EPOCHS),
        metric_names=np.array(METRICS),
        metrics=np.where(is_there_NR[:, :, None, None], metrics, np.nan).astype(np.float32),
        training_seconds=np.where(is_there_NR[:, :, None], seconds, np.nan).astype(np.float32),
        inference_seconds=np.where(is_there_NR, seconds[:, :, 0] / 100, np.nan).astype(np.float32),
        repetitions=repetitions_N.astype(np.int64),
        failures=np.full(is_there_NR.shape, stored.WORKED, dtype=np.int8),
        params=params_N.astype(np.int64),
        flops=(params_N * 7).astype(np.int64),
        cells_stacked=np.minimum(bulk.num_blocks(cells_NB4), 1).astype(np.int64),
    )
    return replace(table, **changes)


def rows_of(table: CellTable, kept: np.ndarray) -> CellTable:
    """Some rows of a table."""
    arrays = {
        name: array[kept] if stored._SHAPES[name][0].startswith("N") else array
        for name, array in table.arrays().items()
        if name != "metric_names"
    }
    return replace(table, **arrays)
