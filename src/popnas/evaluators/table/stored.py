"""A table of trained cells, and its file: an `.npz` of plain arrays, never unpickled.

Axes: N cells, B blocks, R repetitions (trainings with another seed each), E fidelities (numbers of epochs), M
metrics, S the steps 0..B.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from popnas import files
from popnas.cells import SearchSpace, bulk
from popnas.command_lines import as_typed
from popnas.datasets.npz.members import NpzMembers
from popnas.errors import CandidateFailed, DataError, PopnasError, UserError
from popnas.evaluators._stored_arrays import StoredArrays
from popnas.printable import quoted
from popnas.records import part

FORMAT = "popnas table of cells 1"
WORKED = -1
"""Where a training did not fail; else the position in `CandidateFailed.KINDS`."""
_REMEDY = "Put back the file as `popnas bench build` wrote it, or build it again."
_EXPECTED = "Give a file that `popnas bench build` wrote."
NAME = "table.npz"
"""Of a table in the folder in which it is built."""
_MOST_BLOCKS, _MOST_LOOKBACKS = 32, 16


@dataclass(frozen=True)
class CellTable(StoredArrays):
    """What was measured of cells.

    Attributes:
        about: JSON of where it comes from: configuration, command, versions, machine.
        operators: (O,) names, sorted, that `cells` numbers.
        cells: (N, B, 4) int16, canonical, distinct and in their order; the empty cell first, if it is there.
        space_sizes: (S,) int64, how many different cells of 0, 1, ..., B blocks the space has.
        lookback_depth: () int64, of that space.
        epochs: (E,) int64, ascending: what was recorded after so many epochs of training.
        metric_names: (M,) names of the validation metrics.
        metrics: (N, R, E, M) float32, the best so far of each metric; NaN where there is none.
        training_seconds: (N, R, E) float32, of all epochs so far; NaN likewise.
        inference_seconds: (N, R) float32, of one batch; NaN likewise.
        repetitions: (N,) int64, how many trainings of each cell there are, failed ones among them: 1..R.
        failures: (N, R) int8, `WORKED` or the position in `CandidateFailed.KINDS`.
        params, flops: (N,) int64, exact.
        cells_stacked: (N,) int64, how many cells are really stacked in the network.
        mean_metrics, mean_seconds, mean_inference_seconds: (N, E, M), (N, E), (N,) float32, where trainings
            are drawn, what they are drawn around (NaN: every training fails); without rows where they were
            measured.
    """

    operators: np.ndarray
    cells: np.ndarray
    space_sizes: np.ndarray
    lookback_depth: np.ndarray
    epochs: np.ndarray
    metric_names: np.ndarray
    metrics: np.ndarray
    training_seconds: np.ndarray
    inference_seconds: np.ndarray
    repetitions: np.ndarray
    failures: np.ndarray
    params: np.ndarray
    flops: np.ndarray
    cells_stacked: np.ndarray
    mean_metrics: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1), np.float32), kw_only=True)
    mean_seconds: np.ndarray = field(default_factory=lambda: np.zeros((0, 1), np.float32), kw_only=True)
    mean_inference_seconds: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), kw_only=True)

    @property
    def has_means(self) -> bool:
        """Whether it is known what the trainings are drawn around."""
        return all(len(getattr(self, name)) for name in _MEANS)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `StoredArrays`; files of measured trainings, and their digests, are without means."""
        found = super().arrays()
        return found if self.has_means else {key: found[key] for key in found if key not in _MEANS}

    @cached_property
    def space(self) -> SearchSpace:
        """The space that the cells are of."""
        return SearchSpace(self.operators.tolist(), self.cells.shape[1], int(self.lookback_depth))

    @cached_property
    def num_blocks(self) -> np.ndarray:
        """(N,) of each cell."""
        return bulk.num_blocks(self.cells)

    @property
    def score_place(self) -> int:
        """Where in `metric_names` the one stands that the table's own configuration calls the score; the
        first where that is not known."""
        strategy = part(part(self.provenance, "configuration"), "search_strategy")
        named, names = strategy.get("score_metric"), self.metric_names.tolist()
        return names.index(named) if named in names else 0

    @property
    def held(self) -> np.ndarray:
        """(S,) int64: how many cells of 0, 1, ..., B blocks there are."""
        return np.bincount(self.num_blocks, minlength=len(self.space_sizes))

    @property
    def is_complete(self) -> np.ndarray:
        """(S,) bool: whether all cells of so many blocks are there."""
        return self.held == self.space_sizes


def write(path: Path, table: CellTable) -> int:
    """Write a table, whole or not at all; returns the file's bytes.

    Raises:
        StorageError: the disk refused.
    """
    return table.write(path, FORMAT)


def read(path: Path) -> CellTable:
    """Read a table and check that it is sound.

    Raises:
        DataError: no readable file, no table, or one whose arrays contradict one another.
    """
    check_there(path)
    members = NpzMembers(path, _REMEDY, _REMEDY)
    names = [item.name for item in fields(CellTable) if item.name not in _MEANS]
    missing = [name for name in ("format", *names) if name not in members.names]
    if "format" in missing or str(members.read("format")) != FORMAT:
        found = "" if "format" in missing else f" (it says {str(members.read('format'))[:60]!r})"
        raise DataError(
            f"{quoted(path)} is no table of cells of a format that this popnas reads ({FORMAT!r}){found}. "
            f"{_EXPECTED}"
        )
    if missing:
        raise DataError(f"{quoted(path)} lacks the arrays {', '.join(missing)}. {_REMEDY}")
    known = [*names, *(name for name in _MEANS if name in members.names)]
    table = CellTable(**{name: members.read(name) for name in known})
    fault = fault_of(table)
    if fault is not None:
        raise DataError(f"{quoted(path)}: {fault} {_REMEDY}")
    return table


def check_there(path: Path) -> None:
    """Raises DataError where no file is, with what lies there or near."""
    if files.is_folder(path) and files.exists(path / NAME):
        raise DataError(f"{quoted(path)} is a folder. Give the table in it: {quoted(path / NAME)}")
    if files.is_folder(path):
        raise DataError(
            f"{quoted(path)} is a folder without a {NAME}. {_EXPECTED} One that is unfinished goes on with: "
            f"{as_typed('bench', 'build', '-r', path)}"
        )
    if not files.exists(path):
        raise DataError(f"the table {quoted(path)} {files.missing(path)} {_EXPECTED}")


_SHAPES: Mapping[str, tuple[str, str]] = {
    "about": ("", "U"),
    "operators": ("O", "U"),
    "cells": ("NB4", "i"),
    "space_sizes": ("S", "i"),
    "lookback_depth": ("", "i"),
    "epochs": ("E", "i"),
    "metric_names": ("M", "U"),
    "metrics": ("NREM", "f"),
    "training_seconds": ("NRE", "f"),
    "inference_seconds": ("NR", "f"),
    "repetitions": ("N", "i"),
    "failures": ("NR", "i"),
    "params": ("N", "i"),
    "flops": ("N", "i"),
    "cells_stacked": ("N", "i"),
}
_MEANS: Mapping[str, tuple[str, str]] = {
    "mean_metrics": ("NEM", "f"),
    "mean_seconds": ("NE", "f"),
    "mean_inference_seconds": ("N", "f"),
}
_KINDS = {"U": "text", "i": "integers", "f": "floats"}


def fault_of(table: CellTable) -> str | None:
    """What is wrong with a table, as a sentence; None if nothing is."""
    if (fault := _wrong_shape(table)) is not None:
        return fault
    for check in (_wrong_texts, _wrong_cells, _wrong_numbers, _wrong_figures):
        if (fault := check(table)) is not None:
            return fault
    return None


def _wrong_shape(table: CellTable) -> str | None:
    arrays = table.arrays()
    sizes: dict[str, int] = {"4": 4, "S": arrays["cells"].shape[1] + 1 if arrays["cells"].ndim == 3 else 0}
    for name, (axes, kind) in {**_SHAPES, **_MEANS}.items():
        if name not in arrays:
            continue
        array = arrays[name]
        if array.dtype.kind != kind:
            return f"'{name}' must hold {_KINDS[kind]}, but holds {array.dtype}."
        if array.ndim != len(axes):
            return f"'{name}' must have {len(axes)} axes, but has the shape {array.shape}."
        for axis, size in zip(axes, array.shape, strict=True):
            if sizes.setdefault(axis, size) != size:
                return f"'{name}' has the shape {array.shape}, which does not fit to the other arrays."
    empty = [name for name, (axes, _) in _SHAPES.items() if axes and 0 in arrays[name].shape]
    return f"'{empty[0]}' is empty." if empty else None


def _wrong_texts(table: CellTable) -> str | None:
    try:
        is_object = isinstance(json.loads(str(table.about)), dict)
    except ValueError:
        is_object = False
    if not is_object:
        return "'about' is no JSON object."
    names = table.metric_names.tolist()
    if len(set(names)) < len(names) or not all(names):
        return f"'metric_names' must be different names, but are {names}."
    depth = int(table.lookback_depth)
    if not (1 <= depth <= _MOST_LOOKBACKS and table.cells.shape[1] <= _MOST_BLOCKS):
        return f"a lookback depth of {depth} and {table.cells.shape[1]} blocks are no space of cells."
    try:
        space = table.space
    except UserError as error:
        return f"'operators': {error}."
    if list(space.operators) != table.operators.tolist():
        return "'operators' must be sorted by name, each once."
    return None


def _wrong_cells(table: CellTable) -> str | None:
    """Cells whose numbers are none of a cell, that are not canonical, or not in order."""
    cells_NB4, space = table.cells, table.space
    is_block_NB = cells_NB4[:, :, 1] >= 0
    inputs, operators = cells_NB4[:, :, 0::2], cells_NB4[:, :, 1::2]
    earlier_B = np.arange(space.num_blocks)[None, :, None]
    is_sound = (inputs >= -space.lookback_depth) & (inputs < np.maximum(earlier_B, 0))
    is_sound &= (operators >= 0) & (operators < space.num_operators)
    is_none = (cells_NB4 == (0, -1, 0, -1)).all(axis=2)
    is_sound_NB = np.where(is_block_NB, is_sound.all(axis=2), is_none)
    is_sound_NB[:, 1:] &= is_block_NB[:, :-1] | ~is_block_NB[:, 1:]
    wrong = np.flatnonzero(~is_sound_NB.all(axis=1))
    if len(wrong):
        return f"row {wrong[0]} of 'cells' is no cell of the space: {cells_NB4[wrong[0]].tolist()}."
    cells_NB4 = cells_NB4.astype(np.int16)
    wrong = np.flatnonzero((bulk.canonicalize(cells_NB4) != cells_NB4).any(axis=(1, 2)))
    if len(wrong):
        return f"the cell {space.decode(cells_NB4[wrong[:1]])[0]} is not in its canonical form."
    if len(bulk.unique(cells_NB4)) < len(cells_NB4):
        return "a cell stands twice in 'cells'."
    if (bulk.order(cells_NB4) != np.arange(len(cells_NB4))).any():
        return "the rows of 'cells' are not in the order of canonical forms."
    if (table.held > table.space_sizes).any():
        return f"'space_sizes' {table.space_sizes.tolist()} are less than what is there."
    return None


def _wrong_numbers(table: CellTable) -> str | None:
    if (np.diff(table.epochs) <= 0).any() or table.epochs[0] < 1:
        return f"'epochs' must rise from 1 at least, but are {table.epochs.tolist()}."
    most = table.failures.shape[1]
    if ((table.repetitions < 1) | (table.repetitions > most)).any():
        found = f"{table.repetitions.min()} to {table.repetitions.max()}"
        return f"'repetitions' must be 1 to {most}, but go from {found}."
    if ((table.failures < WORKED) | (table.failures >= len(CandidateFailed.KINDS))).any():
        return f"'failures' must be {WORKED} to {len(CandidateFailed.KINDS) - 1}."
    for name in ("params", "flops", "cells_stacked"):
        if (getattr(table, name) < 0).any():
            return f"'{name}' has a negative number."
    return None


def _wrong_figures(table: CellTable) -> str | None:
    """Figures that a training must have and has not, or has and cannot have."""
    is_there = np.arange(table.failures.shape[1]) < table.repetitions[:, None]
    is_there &= table.failures == WORKED
    checks: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "metrics": lambda values: (values >= 0) & (values <= 1),
        "training_seconds": lambda values: np.isfinite(values) & (values >= 0),
        "inference_seconds": lambda values: np.isfinite(values) & (values >= 0),
    }
    for name, is_right in checks.items():
        values = getattr(table, name)
        wrong = is_there & ~is_right(values).reshape(*is_there.shape, -1).all(axis=2)
        if wrong.any():
            row, repetition = np.argwhere(wrong)[0]
            cell = table.space.decode(table.cells[row : row + 1])[0]
            return f"'{name}' of training {repetition} of {cell} are {values[row, repetition].tolist()}."
    return _wrong_means(table, np.asarray(is_there.any(axis=1))) if table.has_means else None


def _wrong_means(table: CellTable, has_worked_N: np.ndarray) -> str | None:
    for name in _MEANS:
        values = getattr(table, name)
        most = 1 if name == "mean_metrics" else np.inf
        is_right_N = (np.isfinite(values) & (values >= 0) & (values <= most)).reshape(len(values), -1)
        wrong = np.flatnonzero(has_worked_N & ~is_right_N.all(axis=1))
        if len(wrong):
            cell = table.space.decode(table.cells[wrong[:1]])[0]
            return f"'{name}' of {cell} are {values[wrong[0]].tolist()}."
    return None


def sound(table: CellTable) -> CellTable:
    """A table that was just made, after the checks of `read`: a mistake of ours is not left in a file.

    Raises:
        PopnasError: it is not sound.
    """
    if (fault := fault_of(table)) is not None:
        raise PopnasError(f"the table that was made is not sound: {fault} Please report this.")
    return table
