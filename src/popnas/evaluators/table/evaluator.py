"""A table of cells as the driver of a search sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from popnas import files
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.errors import ConfigError, DataError, Problem, UserError, nearest
from popnas.evaluation import CandidateJob
from popnas.evaluators import _stored_trainings
from popnas.evaluators._base import REGISTRY, Evaluator, Expected, Forecast
from popnas.evaluators._cell_index import CellIndex
from popnas.evaluators._moved import where_moved
from popnas.evaluators._unused import WITHOUT_TRAINING
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable
from popnas.events import Listen
from popnas.printable import counted, quoted
from popnas.records import Json

_LOOKUP_SECONDS = 0.0005


@REGISTRY.register("table", description="looks cells up in a table that was measured once (dataset.path)")
class TableEvaluator(Evaluator):
    """Figures of candidates are those of a table: `dataset.path` is its file,
    `training_hyperparameters.epochs` the fidelity. A candidate's seed chooses among a cell's trainings."""

    setup = "popnas.evaluators.table.lookup:setup"
    evaluate = "popnas.evaluators.table.lookup:evaluate"
    default_executor = "inline"
    unused_settings: ClassVar = {
        **WITHOUT_TRAINING,
        "dataset.name": "has no effect: the table is named by dataset.path.",
    }

    def __init__(self, config: RunConfig, run: Path | None = None) -> None:
        super().__init__(config, run)
        with where_moved(config, run):
            self.path, self.table = opened(config)
        _check_fits(config, self.table, self.path)
        self.index = CellIndex(self.table.cells, self.table.space.operators, self.space)
        self.epoch = self.table.epochs.tolist().index(config.training_hyperparameters.epochs)
        self.told = self._told()

    @classmethod
    def objectives(cls) -> Sequence[str]:
        """See `Evaluator`."""
        return ("score", "time", "inference_time", "params", "flops")

    def _told(self) -> list[str]:
        """Of which steps the table has some cells only."""
        held, sizes = self.table.held, self.table.space_sizes
        steps = [step for step in range(2, self.space.num_blocks + 1) if not self.table.is_complete[step]]
        return [
            f"{quoted(self.path)} holds {held[step]:,} of the {sizes[step]:,} cells of {step} blocks: step "
            f"{step} chooses among those."
            for step in steps
        ]

    def check(self) -> list[str]:
        """See `Evaluator`: the first two steps evaluate every cell, so the table must have them."""
        firsts = self.space.new_blocks(1)[:, None]
        empty = self.space.encode([Cell()], 1)
        firsts = np.concatenate([empty, firsts])
        absent = firsts[~self.knows(firsts)]
        if len(absent):
            named = ", ".join(str(cell) for cell in self.space.decode(absent[:3]))
            raise UserError(
                f"search_space: {quoted(self.path)} lacks {len(absent)} of the "
                f"{counted(len(firsts), 'cell')} of at most one "
                f"block, with which a search begins ({named}{', ...' if len(absent) > 3 else ''}). Build "
                "the table whole for cells of 0 and 1 blocks."
            )
        return _stored_trainings.told_of_few(self.config, self.table.repetitions, quoted(self.path))

    def facts(self) -> Json:
        """See `Evaluator`."""
        return {"kind": "table", "cells": len(self.table.cells), "sha256": self.table.sha256}

    def describe(self) -> Json:
        """See `Evaluator`."""
        held = {str(step): count for step, count in enumerate(self.table.held.tolist())}
        return {**self.facts(), "cells_by_blocks": held, "epochs": self.table.epochs.tolist()}

    def compare(self, known: Json) -> str | None:
        """See `Evaluator`."""
        if known.get("sha256") != self.table.sha256:
            raise DataError(
                f"{quoted(self.path)} (dataset.path) is not the table that this run was started with: what "
                "was looked up before cannot be compared. Put back the table, or start a new run."
            )
        return None

    def knows(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Evaluator`."""
        return np.asarray(self.index.rows(cells_NB4) >= 0)

    def rows(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N,) rows of the table; all cells must be in it."""
        rows = self.index.rows(cells_NB4)
        assert (rows >= 0).all(), "cells are restricted to those that the table has"
        return rows

    def training(self, job: CandidateJob) -> int:
        """See `Evaluator`."""
        (row,) = self.rows(self.space.encode([Cell.parse(job.cell)]))
        return _stored_trainings.of_job(self.config.others.seed, job, int(self.table.repetitions[row]))

    def costs(self, cells_NB4: np.ndarray) -> dict[str, np.ndarray]:
        """See `Evaluator`."""
        rows = self.rows(cells_NB4)
        return {name: getattr(self.table, name)[rows].astype(np.int64) for name in ("params", "flops")}

    def cells_stacked(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Evaluator`."""
        return self.table.cells_stacked[self.rows(cells_NB4)].astype(np.int64)

    def forecast(self, tell: Listen) -> Forecast:
        """See `Evaluator`."""
        return TableForecast(self)


class TableForecast(Forecast):
    """What stands in the table is known."""

    def __init__(self, evaluator: TableEvaluator) -> None:
        self.evaluator = evaluator

    def expect(self, cells_NB4: np.ndarray) -> Expected:
        """See `Forecast`: the means over a cell's trainings; 0 where all of them failed."""
        table, rows = self.evaluator.table, self.evaluator.rows(cells_NB4)
        measured = {
            "time": _means(table.training_seconds[rows, :, self.evaluator.epoch]),
            "inference_time": _means(table.inference_seconds[rows]),
        }
        return Expected(np.full(len(rows), _LOOKUP_SECONDS), measured)


def _means(values_NR: np.ndarray) -> np.ndarray:
    """(N,) float64, over what is there."""
    is_there = np.isfinite(values_NR)
    sums = np.where(is_there, values_NR, 0).sum(axis=1, dtype=np.float64)
    return np.asarray(sums / np.maximum(is_there.sum(axis=1), 1))


def opened(config: RunConfig) -> tuple[Path, CellTable]:
    """The table that a configuration names, and where it lies.

    Raises:
        ConfigError: none is named.
        DataError: it cannot be read, or is not sound.
    """
    place = config.dataset.path
    if place is None:
        message = "must name the file of a table, as `popnas bench build` writes it."
        raise ConfigError([Problem("dataset.path", None, message)])
    path = files.user_path(place)
    return path, stored.read(path)


def _check_fits(config: RunConfig, table: CellTable, path: Path) -> None:
    """Refuse a configuration that asks for what the table has not, with all that is missing.

    Raises:
        ConfigError: likewise.
    """
    problems = [*_outside(config, table, path)]
    if problems:
        raise ConfigError(problems)


def _outside(config: RunConfig, table: CellTable, path: Path) -> Iterator[Problem]:
    known = table.operators.tolist()
    for index, name in enumerate(config.search_space.operators):
        if name not in known:
            message = (
                f"{quoted(path)} has no cells with '{name}'.{nearest(name, known)} It has: "
                f"{', '.join(known)}."
            )
            yield Problem(f"search_space.operators[{index}]", name, message)
    most = {"blocks": table.space.num_blocks, "lookback_depth": table.space.lookback_depth}
    for key, limit in most.items():
        if (value := getattr(config.search_space, key)) > limit:
            message = f"must be at most {limit}, as in {quoted(path)}, got {value}."
            yield Problem(f"search_space.{key}", value, message)
    epochs, recorded = config.training_hyperparameters.epochs, table.epochs.tolist()
    if epochs not in recorded:
        choices = ", ".join(map(str, recorded))
        message = f"{quoted(path)} has no figures after {epochs} epochs. Choose one of: {choices}."
        yield Problem("training_hyperparameters.epochs", epochs, message)
    metric, metrics = config.search_strategy.score_metric, table.metric_names.tolist()
    if metric not in metrics:
        message = f"{quoted(path)} has no '{metric}'.{nearest(metric, metrics)} It has: {', '.join(metrics)}."
        yield Problem("search_strategy.score_metric", metric, message)
