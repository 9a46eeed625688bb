"""A step's predictions on disk: all of them as arrays, the best as a CSV view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from popnas.cells import SearchSpace
from popnas.errors import RunFolderError
from popnas.runs import RunFolder, RunState, artifacts, write_table
from popnas.runs.state import StepPredicted
from popnas.runs.views import predicted_columns
from popnas.storage import save_arrays
from popnas.strategy import Selection
from popnas.workflows.searching.surrogates import StepPredictions

_NUM_SHOWN = 10_000


def write(
    folder: RunFolder,
    place: tuple[int, int],
    predicted: StepPredictions,
    selection: Selection,
    space: SearchSpace,
) -> StepPredicted:
    """Write the arrays of a (step, round); returns what the journal says of them.

    Raises:
        StorageError: the disk refused.
    """
    arrays: dict[str, np.ndarray] = {
        "cells": predicted.expansion.canonical,
        "operators": np.array(space.operators),
    }
    arrays.update(predicted.values)
    if predicted.score_spread is not None:
        arrays["score_spread"] = predicted.score_spread
    path = folder.predictions_npz(*place)
    digest = save_arrays(path, arrays)
    return StepPredicted(
        step=place[0],
        round=place[1],
        file=path.name,
        sha256=digest,
        num_candidates=len(predicted.expansion.canonical),
        num_expansions=predicted.expansion.num_expansions,
        front_size=selection.front_size,
        predictors=predicted.reports,
    )


def is_intact(folder: RunFolder, known: StepPredicted) -> bool:
    """Whether the arrays that the journal names are there as they were written."""
    try:
        folder.load_predictions(known.step, known.sha256, known.round)
    except RunFolderError:
        return False
    return True


def write_csv(folder: RunFolder, state: RunState, known: StepPredicted) -> None:
    """The view of the best predicted scores, from the arrays of a round that the journal names.

    Raises:
        RunFolderError: the arrays are missing, damaged or not those that the journal means.
    """
    arrays = folder.load_predictions(known.step, known.sha256, known.round)
    # Canonical order decides among equal scores, as everywhere.
    cells_NB4 = arrays["cells"]
    keys = [
        *cells_NB4.reshape(len(cells_NB4), np.prod(cells_NB4.shape[1:], dtype=int)).T[::-1],
        -arrays["score"],
    ]
    best = np.lexsort(keys)[:_NUM_SHOWN]
    space = SearchSpace(
        [str(name) for name in arrays["operators"]], cells_NB4.shape[1], _lookback_depth(cells_NB4)
    )
    columns: dict[str, list[Any]] = {}
    for column, row in predicted_columns(state).items():
        if row is None:
            columns[column] = [str(cell) for cell in space.decode(cells_NB4[best])]
        else:
            columns[column] = arrays[row.name][best].tolist() if row.name in arrays else [None] * len(best)
    write_table(csv_path(folder, known), list(columns), zip(*columns.values(), strict=True))


def csv_path(folder: RunFolder, known: StepPredicted) -> Path:
    """Where the view of a round lies."""
    return folder.csv / f"predictions_{artifacts.of_round(known.step, known.round)}.csv"


def _lookback_depth(cells_NB4: np.ndarray) -> int:
    return int(-cells_NB4[:, :, [0, 2]].min(initial=-1))
