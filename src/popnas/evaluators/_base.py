"""The contract of all evaluators: what the driver of a search needs to know of the world.

Axes: N cells, B blocks, 4 = (first input, first operator, second input, second operator) as
`cells.SearchSpace.encode` gives it for the configuration's space.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from popnas import executors
from popnas.cells import Block, Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.evaluation import CandidateJob, Evaluation
from popnas.events import Listen
from popnas.executors import Executor
from popnas.records import Json, Record
from popnas.registry import Registry

_HANG_FACTOR, _HANG_SECONDS = 3.0, 60.0
"""So many times the limit of a candidate, and so many seconds more, are taken by none that goes on."""

CellsStacked = Callable[[np.ndarray], np.ndarray]
"""Cells (N, B, 4) -> (N,) int64: how many cells are really stacked in the network of each."""


@dataclass(frozen=True)
class BestModel:
    """What a search has of its best cell, and where its files go.

    `best`: the cell's Evaluation; `folder`: where the model's files go; `weights`: the file of weights that
    was kept, which may be gone; `run`: which run it is of (`runs.identity`); `evaluate_again` evaluates
    the cell once more, as it was, so that its weights are kept again (ExportError: it failed).
    """

    best: Evaluation
    folder: Path
    weights: Path
    run: str | None
    evaluate_again: Callable[[], None]


@dataclass(frozen=True)
class WorkerSetup(Record):
    """What every worker's `setup` is told: the configuration; `artifacts`, for `runs.artifacts.opened`;
    `run`, which run it is for."""

    config: Json
    artifacts: str | None
    run: str | None


@dataclass(frozen=True)
class Expected:
    """What candidates are expected to take: `seconds` (N,) of a worker's wall time, all included; `measured`
    objective that is measured -> (N,) its value."""

    seconds: np.ndarray
    measured: Mapping[str, np.ndarray]


class Forecast(ABC):
    """What candidates will take on this machine, known before the search. For `popnas plan`.

    Attributes:
        told: how far what it says holds, as sentences.
        stretch: how many times as long as alone a candidate takes beside those that share its device.
    """

    told: Sequence[str] = ()
    stretch: float = 1.0

    @abstractmethod
    def expect(self, cells_NB4: np.ndarray) -> Expected:
        """For each cell."""

    def epoch_seconds(self, cells_NB4: np.ndarray) -> float | None:
        """An epoch of training, the mean over these cells; None where nothing is trained."""
        return None

    def once_seconds(self, cells_NB4: np.ndarray) -> np.ndarray:
        """Of the expected seconds of each cell, (N,), those that further epochs would not add."""
        return np.zeros(len(cells_NB4))

    @property
    def loading_seconds(self) -> float:
        """What the first candidate of every process takes beside its own seconds."""
        return 0.0

    def memory_bytes(self, cells_NB4: np.ndarray) -> int | None:
        """All processes together while each worker evaluates one of these cells; None: not worth telling."""
        return None


class Evaluator(ABC):
    """What evaluates the candidates of a configuration. One is made in the driver's process, where it reads
    what it needs; workers are handed the functions `setup` and `evaluate`.

    A worker calls `context = setup(payload, Worker)` once, with what `payload` gives, and then
    `evaluate(context, CandidateJob as JSON) -> Measured as JSON` per candidate. One that fails is an answer
    too (`Measured.error_kind`). Files go through `popnas.runs.artifacts`.

    Attributes:
        setup, evaluate: dotted names, "package.module:function".
        has_weights: candidates are networks of ours: weights are kept, the best one is a model that can be
            exported, and the stages after the search can train its cell.
        needs_dataset: the configuration must name data (`dataset.name` or `dataset.path`).
        operators: the only names of operators that it knows; None: all those registered for the data.
        passing_operators, zero_operators: names of those that pass their input on, and that give zeros, for
            predictors.
        default_executor: the kind of executor of a configuration that names none.
        unused_settings: by place ("training_hyperparameters", "dataset.folds") what has no effect, with the
            sentence that a configuration is told.
        config, space: what it was made for.
        dataset: what networks are trained on; None where none are.
        told: what is to be said of what was read, as sentences.
        workers_per_gpu: how many were found to gain by sharing one; None where it was not tried to find out.
        trial_seconds: what `num_workers` took to find out.
    """

    setup: ClassVar[str]
    evaluate: ClassVar[str]
    has_weights: ClassVar[bool] = False
    needs_dataset: ClassVar[bool] = False
    operators: ClassVar[tuple[str, ...] | None] = None
    passing_operators: ClassVar[frozenset[str]] = frozenset({"identity"})
    zero_operators: ClassVar[frozenset[str]] = frozenset()
    default_executor: ClassVar[str] = "processes"
    unused_settings: ClassVar[Mapping[str, str]] = {}
    dataset: Dataset | None = None
    workers_per_gpu: int | None = None
    trial_seconds: float = 0.0

    def __init__(self, config: RunConfig, run: Path | None = None) -> None:
        """`run`: the folder of the run that goes on, None for one to come.

        Raises:
            UserError: what it needs is missing, broken or unsuited.
        """
        self.config = config
        self.space = config.space
        self.told: Sequence[str] = ()

    @classmethod
    @abstractmethod
    def objectives(cls) -> Sequence[str]:
        """The objectives that a success has: score, time and params at least."""

    def check(self) -> list[str]:
        """Refuse a search that cannot be done here; warnings about one that may be too much.

        Raises:
            UserError: likewise.
        """
        return []

    @property
    def devices(self) -> Sequence[str]:
        """Names of the devices that workers take in turn."""
        return (executors.CPU,)

    @property
    def executor_class(self) -> type[Executor]:
        """The configuration's kind of executor."""
        return executors.REGISTRY.get(self.config.others.executor.kind)

    def num_workers(self, tell: Listen) -> int:
        """How many candidates are evaluated at once here; `tell` hears what is tried to find out. To be asked
        before `payload`."""
        settings = self.config.others.executor
        return self.executor_class.workers_for(settings.workers, settings.threads, self.devices)

    def payload(self, artifacts: str | None, run: str | None) -> Json:
        """What every worker's `setup` is told: a `WorkerSetup` at least."""
        return WorkerSetup(self.config.to_json(), artifacts, run).to_json()

    def sharing(self, folder: Path, tell: Listen) -> AbstractContextManager[str | None]:
        """While the block runs, what all workers read lies ready for them, made in `folder`; gives the place
        for `Work.folder`, None if there is nothing to read. `tell` hears what cannot be had so."""
        return nullcontext()

    @abstractmethod
    def facts(self) -> Json:
        """What a run remembers of the data behind its figures, as JSON, to notice that they are others;
        `sha256` at least, of all that figures depend on."""

    @abstractmethod
    def compare(self, known: Json) -> str | None:
        """Compare the data with the facts that a resumed run began with: a warning where they may differ,
        None where they do not.

        Raises:
            DataError: they differ so that what was evaluated before cannot be compared.
        """

    @property
    def hang_seconds(self) -> float | None:
        """After how long a candidate hangs, and its worker is to be ended; None where there is no limit. Who
        trains keeps the limit of the configuration, which is far lower."""
        limit = self.config.others.max_candidate_seconds
        return None if limit is None else _HANG_FACTOR * limit + _HANG_SECONDS

    def describe(self) -> Json:
        """The data, for a plan, as JSON."""
        return self.facts()

    @abstractmethod
    def costs(self, cells_NB4: np.ndarray) -> dict[str, np.ndarray]:
        """The objectives that are computed: name -> (N,) int64, exactly what `Measured` will say; of cells
        that it knows."""

    def knows(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N,) bool: which cells can be evaluated at all; a search chooses among those. All, unless said."""
        return np.ones(len(cells_NB4), dtype=bool)

    def training(self, job: CandidateJob) -> int | None:
        """Which of the trainings that it has of the job's cell, from 0, it answers the job with; None where
        every job is a training of its own."""
        return None

    def cell_of_operator(self, name: str) -> Cell:
        """The cell of one block whose times say what an operator costs (docs/search.md)."""
        return Cell((Block(-1, name, -1, name),))

    @abstractmethod
    def cells_stacked(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `CellsStacked`; 1 each where nothing is stacked."""

    @classmethod
    def stacking(cls, config: RunConfig, run: Path) -> CellsStacked:
        """`cells_stacked` for looking at a run, whose data may be gone.

        Raises:
            UserError: they would be needed.
        """
        return cls(config, run).cells_stacked

    @abstractmethod
    def forecast(self, tell: Listen) -> Forecast:
        """What candidates will take; `tell` hears what is tried for it."""

    def varied(self, config: RunConfig) -> Evaluator:
        """The evaluator of a search that is cut to fit into a time limit: of what this one has read and
        measured it may keep what would be the same.

        Raises:
            UserError: as for a new one.
        """
        return create(config)

    def write_best(self, model: BestModel, tell: Listen) -> None:
        """Write the files of the best cell's model; only asked of those that have weights.

        Raises:
            ExportError: the weights are gone and could not be had again.
            StorageError: the disk refused.
        """
        raise AssertionError(f"{type(self).__name__} has no weights")


REGISTRY: Registry[type[Evaluator]] = Registry("evaluator", "popnas.evaluators", "popnas.evaluators")


def create(config: RunConfig, run: Path | None = None) -> Evaluator:
    """The configuration's evaluator; see `Evaluator.__init__`."""
    return REGISTRY.get(config.others.evaluator)(config, run)


def stacking(config: RunConfig, run: Path) -> CellsStacked:
    """See `Evaluator.stacking`, of the configuration's evaluator."""
    return REGISTRY.get(config.others.evaluator).stacking(config, run)
