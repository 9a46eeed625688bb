"""NAS-Bench-201 as the driver of a search sees it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from popnas import files
from popnas.cells import Block, Cell
from popnas.config import RunConfig
from popnas.errors import ConfigError, DataError, Problem, nearest
from popnas.evaluation import CandidateJob
from popnas.evaluators import _stored_trainings
from popnas.evaluators._base import REGISTRY, Evaluator, Expected, Forecast
from popnas.evaluators._cell_index import CellIndex
from popnas.evaluators._moved import where_moved
from popnas.evaluators._unused import WITHOUT_TRAINING
from popnas.evaluators.nasbench201 import mapping, stored
from popnas.evaluators.nasbench201.mapping import Mapping
from popnas.events import Listen
from popnas.printable import quoted
from popnas.records import Json

_LOOKUP_SECONDS = 0.0005
METRIC = "accuracy"
_LATENCY = "inference_time"
_OBJECTIVES = "search_strategy.additional_pareto_objectives"
_GIVE_LATENCY = "`popnas bench compare --latency DEVICE=FILE` adds those of a device."


class NasBench201Evaluator(Evaluator):
    """Figures of candidates are those of NAS-Bench-201: `dataset.path` is the file that `popnas bench
    nasbench201` makes, `dataset.name` one of its data sets, `training_hyperparameters.epochs` 12 or 200. A
    candidate's seed chooses among an architecture's trainings. Test accuracies are never shown to a search.

    Attributes:
        trainings: (A, R) validation accuracies 0..1 by code and training, NaN where there is none.
        seconds, params: (A,) by code; `latencies` likewise, seconds of one image, None where none are known.
    """

    setup = "popnas.evaluators.nasbench201.lookup:setup"
    evaluate = "popnas.evaluators.nasbench201.lookup:evaluate"
    default_executor = "inline"
    unused_settings: ClassVar = WITHOUT_TRAINING

    def __init__(self, config: RunConfig, run: Path | None = None) -> None:
        super().__init__(config, run)
        self.mapping = self.mapped()
        problems = [*self._problems()]
        if problems:
            raise ConfigError(problems)
        self.path = files.user_path(str(config.dataset.path))
        with where_moved(config, run):
            self.table = stored.read(self.path)
        self.data_set = str(config.dataset.name)
        epochs = config.training_hyperparameters.epochs
        self.trainings = self.table.trainings(self.data_set, epochs)
        self.seconds = self.table.seconds(self.data_set, epochs)
        self.params = self.table.params[stored.DATA_SETS.index(self.data_set)]
        self.latencies = self.table.latencies(self.data_set)
        if self.latencies is None and _LATENCY in self._wanted():
            message = f"{_LATENCY} is asked for, and {quoted(self.path)} has no latencies. {_GIVE_LATENCY}"
            raise ConfigError([Problem(_OBJECTIVES, [_LATENCY], message)])
        self._index = CellIndex(self.mapping.cells, self.mapping.operators, self.space)

    @classmethod
    @abstractmethod
    def mapped(cls) -> Mapping:
        """Which architectures cells are."""

    @classmethod
    def objectives(cls) -> Sequence[str]:
        """See `Evaluator`."""
        return ("score", "time", _LATENCY, "params")

    def _wanted(self) -> set[str]:
        strategy = self.config.search_strategy
        return {*strategy.additional_pareto_objectives, *(strategy.constraints or {})}

    def _problems(self) -> Iterator[Problem]:
        dataset, space = self.config.dataset, self.config.search_space
        if dataset.path is None:
            message = "must name the file that `popnas bench nasbench201 -p FILES` makes."
            yield Problem("dataset.path", None, message)
        if dataset.name not in stored.DATA_SETS:
            hint = nearest(dataset.name, stored.DATA_SETS)
            message = f"must be one of {', '.join(stored.DATA_SETS)}, got {dataset.name!r}.{hint}"
            yield Problem("dataset.name", dataset.name, message)
        if (epochs := self.config.training_hyperparameters.epochs) not in stored.EPOCHS:
            choices = " or ".join(map(str, stored.EPOCHS))
            message = f"must be {choices}, after which NAS-Bench-201 has figures, got {epochs}."
            yield Problem("training_hyperparameters.epochs", epochs, message)
        if space.lookback_depth != 1:
            message = f"must be 1: cells of NAS-Bench-201 have one input, got {space.lookback_depth}."
            yield Problem("search_space.lookback_depth", space.lookback_depth, message)
        if space.blocks > self.mapping.num_blocks:
            message = f"must be at most {self.mapping.num_blocks}, got {space.blocks}."
            yield Problem("search_space.blocks", space.blocks, message)
        if (metric := self.config.search_strategy.score_metric) != METRIC:
            message = f"must be {METRIC}, the only metric of NAS-Bench-201, got {metric}."
            yield Problem("search_strategy.score_metric", metric, message)

    def check(self) -> list[str]:
        """See `Evaluator`."""
        counts_A = np.isfinite(self.trainings).sum(axis=1)
        return _stored_trainings.told_of_few(self.config, counts_A, quoted(self.path))

    def training(self, job: CandidateJob) -> int:
        """See `Evaluator`: counted among those that there are."""
        (code,) = self.codes(self.space.encode([Cell.parse(job.cell)]))
        count = int(np.isfinite(self.trainings[code]).sum())
        return _stored_trainings.of_job(self.config.others.seed, job, count)

    def facts(self) -> Json:
        """See `Evaluator`."""
        return {"kind": "NAS-Bench-201", "data_set": self.data_set, "sha256": self.table.sha256}

    def compare(self, known: Json) -> str | None:
        """See `Evaluator`."""
        if known.get("sha256") != self.table.sha256:
            raise DataError(
                f"{quoted(self.path)} (dataset.path) does not hold the figures that this run was started "
                "with. Put back the file, or start a new run."
            )
        return None

    def knows(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Evaluator`."""
        return np.asarray(self._index.rows(cells_NB4) >= 0)

    def codes(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N,) the code of each cell's architecture; all must be known."""
        rows = self._index.rows(cells_NB4)
        assert (rows >= 0).all(), "cells are restricted to those that can be mapped"
        return self.mapping.codes[rows]

    def costs(self, cells_NB4: np.ndarray) -> dict[str, np.ndarray]:
        """See `Evaluator`."""
        return {"params": self.params[self.codes(cells_NB4)].astype(np.int64)}

    def cells_stacked(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Evaluator`: the same in every network."""
        return np.ones(len(cells_NB4), dtype=np.int64)

    def forecast(self, tell: Listen) -> Forecast:
        """See `Evaluator`."""
        return NasBench201Forecast(self)


class NasBench201Forecast(Forecast):
    """What was measured is known."""

    def __init__(self, evaluator: NasBench201Evaluator) -> None:
        self.evaluator = evaluator

    def expect(self, cells_NB4: np.ndarray) -> Expected:
        """See `Forecast`."""
        codes_N = self.evaluator.codes(cells_NB4)
        measured = {"time": self.evaluator.seconds[codes_N]}
        if self.evaluator.latencies is not None:
            measured[_LATENCY] = self.evaluator.latencies[codes_N]
        return Expected(np.full(len(cells_NB4), _LOOKUP_SECONDS), measured)


@REGISTRY.register("nasbench201", description="looks up any architecture of NAS-Bench-201 (dataset.path)")
class NativeEvaluator(NasBench201Evaluator):
    """See `mapping`: all that the benchmark has, grown block by block."""

    operators = tuple(sorted(mapping.OPERATIONS))
    passing_operators = frozenset({"skip_connect"})
    zero_operators = frozenset({"none"})

    @classmethod
    def mapped(cls) -> Mapping:
        """See `NasBench201Evaluator`."""
        return mapping.native()

    def cell_of_operator(self, name: str) -> Cell:
        """See `Evaluator`: a block of one operator has none beside it."""
        return Cell((Block(-1, name, -1, "none"),))


@REGISTRY.register(
    "nasbench201_compatible", description="looks up what POPNAS's published mapping reaches of NAS-Bench-201"
)
class CompatibleEvaluator(NasBench201Evaluator):
    """See `mapping`: the published mapping of cells of two blocks."""

    operators = tuple(sorted(mapping.COMPATIBLE_OPERATORS))

    @classmethod
    def mapped(cls) -> Mapping:
        """See `NasBench201Evaluator`."""
        return mapping.compatible()
