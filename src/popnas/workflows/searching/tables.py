"""Views that need more than the journal: the features that the predictors learn from, and how each fit
went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popnas import objectives
from popnas.cells import Cell, SearchSpace
from popnas.evaluation import Evaluation
from popnas.evaluators import CellsStacked
from popnas.objectives.rows import SCORE, TIMES
from popnas.predictors import features
from popnas.runs import RunFolder, RunState, artifacts, write_table
from popnas.storage import write_json


def write_features(
    folder: RunFolder, state: RunState, cells_stacked: CellsStacked, space: SearchSpace
) -> None:
    """`training_time.csv`, `training_time_inference.csv`, `training_score.csv`: target, features, cell, one
    row per success."""
    successes = state.successes
    if not successes:
        return
    cells_NB4 = space.encode([Cell.parse(evaluation.cell) for evaluation in successes], space.num_blocks)
    stacked_N = cells_stacked(cells_NB4)
    for name, costs in (state.operator_costs or {}).items():
        row = objectives.get(name)
        costs_O = np.array([costs[operator] for operator in space.operators])
        _write(
            folder,
            row.learnt_file,
            ("time" if row in TIMES else row.name, [row.value(evaluation) for evaluation in successes]),
            (features.TIME_FEATURES, features.time_features(cells_NB4, costs_O, stacked_N)),
            successes,
        )
    _write(
        folder,
        SCORE.learnt_file,
        (SCORE.name, [evaluation.score for evaluation in successes]),
        (features.score_feature_names(space), features.score_features(cells_NB4, stacked_N, space)),
        successes,
    )


def write_predictors(folder: RunFolder, state: RunState) -> None:
    """`predictors/B{b}.json`, of later rounds `B{b}_R{r}.json`: per objective the hyper-parameters, loss
    curve and cross-validation figures of the fit."""
    for place, known in state.predictions.items():
        fits = {name: report.to_json() for name, report in known.predictors.items()}
        write_json(folder.predictors / f"{artifacts.of_round(*place)}.json", fits)


def _write(
    folder: RunFolder,
    name: str,
    target: tuple[str, Sequence[float | None]],
    table: tuple[Sequence[str], np.ndarray],
    evaluations: Sequence[Evaluation],
) -> None:
    header = (target[0], *table[0], "exploration", "cell structure")
    rows = [
        (value, *row, evaluation.is_exploration, evaluation.cell)
        for value, row, evaluation in zip(target[1], table[1].tolist(), evaluations, strict=True)
    ]
    write_table(folder.csv / name, header, rows)
