"""What a run, a table of cells or NAS-Bench-201 knows of cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from popnas import evaluators, files, objectives
from popnas.cells import Block, Cell, SearchSpace, bulk
from popnas.errors import UserError, nearest
from popnas.evaluators._cell_index import CellIndex
from popnas.evaluators.nasbench201 import architectures, mapping
from popnas.evaluators.nasbench201.stored import FORMAT as NASBENCH201
from popnas.evaluators.nasbench201.stored import NasBench201
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable
from popnas.predictors import features
from popnas.printable import quoted
from popnas.runs import RunFolder
from popnas.workflows.searching.surrogates import operator_costs
from popnas.workflows.settings import load_run_config
from popnas.workflows.studies.known import KnownCells
from popnas.workflows.tables import nasbench201_files


def read(path: Path, objective: str, *, epochs: int | None = None, data_set: str = "cifar10") -> KnownCells:
    """What is known at a path; `epochs` (None: the most) chooses among the fidelities of a table.

    Raises:
        UserError: nothing that can be studied, or without that objective.
    """
    if files.is_folder(path) and not (path / "meta.pickle.pbz2").exists():
        return _of_run(RunFolder.open(path), objective)
    if path.suffix != ".npz" or _format(path) == NASBENCH201:
        return _of_nasbench201(nasbench201_files.read(path), path, objective, epochs, data_set)
    return _of_table(stored.read(path), path, objective, epochs)


def _format(path: Path) -> str | None:
    from popnas.datasets.npz.members import NpzMembers

    members = NpzMembers(path, "Give a run's folder or a table.", "Put back the file.")
    return str(members.read("format")) if "format" in members.names else None


def _of_table(table: CellTable, path: Path, objective: str, epochs: int | None) -> KnownCells:
    recorded = table.epochs.tolist()
    if epochs is not None and epochs not in recorded:
        raise UserError(f"`epochs` {epochs}: {quoted(path)} has {', '.join(map(str, recorded))}.")
    place = len(recorded) - 1 if epochs is None else recorded.index(epochs)
    names = table.metric_names.tolist()
    by_objective = {
        "score": table.metrics[:, :, place, names.index("accuracy") if "accuracy" in names else 0],
        "time": table.training_seconds[:, :, place],
        "inference_time": table.inference_seconds,
    }
    index = CellIndex(table.cells, tuple(table.operators.tolist()), table.space)
    seconds = by_objective["inference_time" if objective == "inference_time" else "time"]
    cost_of = partial(_seconds_of, table.space, index, _means(seconds))
    values_NR = by_objective[objective].astype(np.float64)
    known = np.isfinite(values_NR).any(axis=1)

    def stacked(cells_NB4: np.ndarray) -> np.ndarray:
        return table.cells_stacked[index.rows(cells_NB4)].astype(np.int64)

    costs = _costs(table.space, cost_of, lambda name: Cell((Block(-1, name, -1, name),)))
    name = path.parent.name if path.stem == "table" else path.stem
    return KnownCells(name, table.space, table.cells[known], values_NR[known], costs, stacked)


def _means(values_NR: np.ndarray) -> np.ndarray:
    is_there = np.isfinite(values_NR)
    sums = np.where(is_there, values_NR, 0).sum(axis=1, dtype=np.float64)
    return np.where(is_there.any(axis=1), sums / np.maximum(is_there.sum(axis=1), 1), np.nan)


def _seconds_of(space: SearchSpace, index: CellIndex, seconds_N: np.ndarray, cell: Cell) -> float | None:
    row = int(index.rows(space.encode([cell], space.num_blocks))[0])
    return float(seconds_N[row]) if row >= 0 else None


def _costs(
    space: SearchSpace, seconds_of: Callable[[Cell], float | None], cell_of: Callable[[str], Cell]
) -> np.ndarray:
    seconds = {name: seconds_of(cell_of(name)) for name in space.operators}
    by_name = features.operator_costs(seconds, seconds_of(Cell()), space.operators)
    return np.array([by_name[name] for name in space.operators])


def _of_nasbench201(
    figures: NasBench201, path: Path, objective: str, epochs: int | None, data_set: str
) -> KnownCells:
    """A row per architecture, each as the cell that computes the same: 15,625 rows of 7,595 functions."""
    from popnas.evaluators.nasbench201.stored import DATA_SETS, EPOCHS

    if data_set not in DATA_SETS:
        raise UserError(f"`data_set` '{data_set}': must be one of {', '.join(DATA_SETS)}.")
    epochs = EPOCHS[-1] if epochs is None else epochs
    if epochs not in EPOCHS:
        raise UserError(f"`epochs` {epochs}: NAS-Bench-201 has {' and '.join(map(str, EPOCHS))}.")
    if objective == "inference_time":
        raise UserError(f"{quoted(path)} has no inference times: study those of a run or of a table.")
    native, of_function = mapping.native(), architectures.functions()
    _, first = np.unique(of_function[native.codes], return_index=True)
    cell_of_function = dict(zip(of_function[native.codes][first].tolist(), first.tolist(), strict=True))
    rows = np.array([cell_of_function[code] for code in of_function.tolist()])
    space = SearchSpace(native.operators, 4, 1)
    seconds = figures.seconds(data_set, epochs)
    trainings = figures.trainings(data_set, epochs)
    index = CellIndex(native.cells, native.operators, space)
    by_cell = partial(_seconds_of, space, index, seconds[native.codes])
    costs = _costs(space, by_cell, lambda name: Cell((Block(-1, name, -1, "none"),)))
    return KnownCells(
        f"NAS-Bench-201 {data_set}",
        space,
        native.cells[rows],
        trainings if objective == "score" else seconds[:, None],
        costs,
        lambda cells_NB4: np.ones(len(cells_NB4), dtype=np.int64),
        passing=frozenset({"skip_connect"}),
        zero=frozenset({"none"}),
    )


def _of_run(folder: RunFolder, objective: str) -> KnownCells:
    state = folder.state()
    config = load_run_config(folder)
    row = objectives.get(objective)
    found = [item for item in state.successes if row.value(item) is not None]
    if not found:
        raise UserError(
            f"{quoted(folder.path)} has no {row.title} of any cell.{nearest(objective, state.objectives)} "
            f"It has: {', '.join(state.objectives)}."
        )
    space = config.space
    chosen = "inference_time" if objective == "inference_time" else "time"
    kind = evaluators.REGISTRY.get(config.others.evaluator)
    measured = [objectives.get(chosen)]
    costs = operator_costs(state.successes, space, measured)[chosen]
    cells_NB4 = space.encode([Cell.parse(item.cell) for item in found], space.num_blocks)
    known = KnownCells(
        folder.path.resolve().name,
        space,
        cells_NB4,
        np.array([[row.value(item)] for item in found], dtype=np.float64),
        np.array([costs[name] for name in space.operators]),
        evaluators.stacking(config, folder.path),
        passing=kind.passing_operators,
        zero=kind.zero_operators,
    )
    drawn = {item.cell for items in state.proposals.values() for item in items if item.is_random}
    return replace(
        known, is_unselected=np.array([item.is_exploration or item.cell in drawn for item in found])
    )


def describe(known: KnownCells) -> str:
    """How many cells of which step."""
    held = np.bincount(bulk.num_blocks(known.cells)).tolist()
    return (
        f"{known.name}: " + ", ".join(f"{count:,} of {step}" for step, count in enumerate(held)) + " blocks"
    )
