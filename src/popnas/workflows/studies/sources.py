"""What a run, a table of cells or NAS-Bench-201 knows of cells."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from popnas import evaluators, files, objectives
from popnas.cells import Block, Cell, SearchSpace, bulk
from popnas.command_lines import as_typed
from popnas.errors import UserError, nearest
from popnas.evaluators._cell_index import CellIndex
from popnas.evaluators.nasbench201 import architectures, mapping
from popnas.evaluators.nasbench201.evaluator import METRIC as NASBENCH201_METRIC
from popnas.evaluators.nasbench201.stored import FORMAT as NASBENCH201
from popnas.evaluators.nasbench201.stored import NasBench201
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable
from popnas.predictors import features
from popnas.printable import quoted
from popnas.runs import RunFolder
from popnas.workflows.settings import load_run_config
from popnas.workflows.studies.known import KnownCells
from popnas.workflows.studies.splits import Where
from popnas.workflows.tables import nasbench201_files


def read_all(where: Where, objective: str) -> list[KnownCells]:
    """What is known at each path. Where names clash, so much of the paths stands for them as tells them
    apart.

    Raises:
        UserError: as `read`, or a path that is given twice, whose cells would count twice.
    """
    places = [Path(os.path.realpath(path)) for path in where.paths]
    for number, path in enumerate(where.paths):
        if places[number] in places[:number]:
            raise UserError(f"`paths` {quoted(path)}: given twice. Name each run and table once.")
    found = [
        read(path, objective, epochs=where.epochs, data_set=where.data_set, metric=where.metric)
        for path in where.paths
    ]
    counts = Counter(known.name for known in found)
    return [
        known if counts[known.name] == 1 else replace(known, name=_end_of(place, places))
        for known, place in zip(found, places, strict=True)
    ]


def _end_of(place: Path, places: Sequence[Path]) -> str:
    """The last parts of a path, as many as no other one ends with."""
    others = [other.parts for other in places if other != place]
    for number in range(2, len(place.parts)):
        end = place.parts[-number:]
        if all(other[-number:] != end for other in others):
            return "/".join(end)
    return str(place)


def read(
    path: Path,
    objective: str,
    *,
    epochs: int | None = None,
    data_set: str = "cifar10",
    metric: str | None = None,
) -> KnownCells:
    """What is known at a path; `epochs` (None: the most) chooses among the fidelities of a table; the score
    is the `metric` (None: the one that the run or table was made for).

    Raises:
        UserError: nothing that can be studied, or without that objective or metric.
    """
    if files.is_folder(path) and not (path / "meta.pickle.pbz2").exists():
        return _of_run(RunFolder.open(path), objective, metric)
    if path.suffix != ".npz" or _format(path) == NASBENCH201:
        _check_metric(metric, [NASBENCH201_METRIC], path)
        return _of_nasbench201(nasbench201_files.read(path), path, objective, epochs, data_set)
    return _of_table(stored.read(path), path, objective, epochs, metric)


def _check_metric(metric: str | None, known: Sequence[str], path: Path) -> None:
    if metric is not None and metric not in known:
        raise UserError(
            f"`metric` '{metric}': {quoted(path)} has none of that name.{nearest(metric, known)} It has: "
            f"{', '.join(known)}."
        )


def _format(path: Path) -> str | None:
    from popnas.datasets.npz.members import NpzMembers

    members = NpzMembers(path, "Give a run's folder or a table.", "Put back the file.")
    return str(members.read("format")) if "format" in members.names else None


def _of_table(
    table: CellTable, path: Path, objective: str, epochs: int | None, metric: str | None
) -> KnownCells:
    recorded = table.epochs.tolist()
    if epochs is not None and epochs not in recorded:
        raise UserError(f"`epochs` {epochs}: {quoted(path)} has {', '.join(map(str, recorded))}.")
    place = len(recorded) - 1 if epochs is None else recorded.index(epochs)
    names = table.metric_names.tolist()
    _check_metric(metric, names, path)
    metric = names[table.score_place] if metric is None else metric
    by_objective = {
        "score": table.metrics[:, :, place, names.index(metric)],
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
    return KnownCells(
        name,
        table.space,
        table.cells[known],
        values_NR[known],
        costs,
        stacked,
        metric=metric if objective == "score" else None,
    )


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
        metric=NASBENCH201_METRIC if objective == "score" else None,
        passing=frozenset({"skip_connect"}),
        zero=frozenset({"none"}),
    )


def _of_run(folder: RunFolder, objective: str, metric: str | None) -> KnownCells:
    state = folder.state()
    config = load_run_config(folder)
    row = objectives.get(objective)
    found = [item for item in state.successes if row.value(item) is not None]
    if not found:
        raise UserError(
            f"{quoted(folder.path)} has no {row.title} of any cell.{nearest(objective, state.objectives)} "
            f"It has: {', '.join(state.objectives)}."
        )
    if state.operator_costs is None:
        raise UserError(
            f"{quoted(folder.path)} has not trained all its cells of one block, whose times say what "
            f"operators cost. Go on with it first: {as_typed('search', '-r', folder.path)}"
        )
    _check_metric(metric, [*found[0].metrics], folder.path)
    values = [row.value(item) if metric is None else item.metrics[metric] for item in found]
    costs = state.operator_costs["inference_time" if objective == "inference_time" else "time"]
    space = config.space
    kind = evaluators.REGISTRY.get(config.others.evaluator)
    group_of = {item.cell: item.group for items in state.proposals.values() for item in items}
    steered_by = config.search_strategy.score_metric
    return KnownCells(
        folder.path.resolve().name,
        space,
        space.encode([Cell.parse(item.cell) for item in found], space.num_blocks),
        np.array(values, dtype=np.float64)[:, None],
        np.array([costs[name] for name in space.operators]),
        evaluators.stacking(config, folder.path),
        metric=(metric or steered_by) if objective == "score" else None,
        chosen_by=np.array([group_of[item.cell] for item in found]),
        num_models=config.others.accuracy_predictor_ensemble_units,
        passing=kind.passing_operators,
        zero=kind.zero_operators,
    )


def describe(known: KnownCells) -> str:
    """How many cells of which step."""
    held = np.bincount(bulk.num_blocks(known.cells)).tolist()
    return (
        f"{known.name}: " + ", ".join(f"{count:,} of {step}" for step, count in enumerate(held)) + " blocks"
    )
