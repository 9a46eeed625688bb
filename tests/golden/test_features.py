"""The nine time features against figures that were computed apart, by an independent implementation.

`time_features.jsonl` is a copy of some lines; the whole file is checked where the shared folder is at hand.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas.cells import Cell, SearchSpace
from popnas.predictors.features import TIME_FEATURES, time_features

COPIED = Path(__file__).with_name("time_features.jsonl")
WHOLE = Path(os.environ.get("POPNAS_SHARED", "../shared")) / "golden" / "features.jsonl"


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check(record: dict[str, Any]) -> None:
    cell = Cell.parse(record["cell"])
    space = SearchSpace.covering([cell])
    costs = np.array([record["operator_cost"][name] for name in space.operators])
    # One block more than the cell has: padding must not count.
    cells_NB4 = space.encode([cell], num_blocks=len(cell) + 1)
    features = time_features(cells_NB4, costs, np.array([record["cells_stacked"]]))[0]
    expected = dict(zip(TIME_FEATURES, record["time_features"], strict=True))
    actual = dict(zip(TIME_FEATURES, features.tolist(), strict=True))
    assert actual == pytest.approx(expected, abs=1e-9), record["cell"]


@pytest.mark.parametrize("record", records(COPIED), ids=lambda record: record["cell"])
def test_copied_figures(record: dict[str, Any]) -> None:
    check(record)


@pytest.mark.skipif(not WHOLE.exists(), reason="the shared golden figures are not at hand (POPNAS_SHARED)")
def test_all_figures() -> None:
    whole = records(WHOLE)
    assert len(whole) > 100
    for record in whole:
        check(record)
