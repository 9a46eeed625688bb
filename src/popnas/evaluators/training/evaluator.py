"""Training as the driver of a search sees it. torch is imported on first use: names are listed without."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas import objectives, tasks
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import RunFolderError
from popnas.evaluators._base import REGISTRY, BestModel, CellsStacked, Evaluator, Forecast
from popnas.evaluators.training import training_data
from popnas.events import Listen
from popnas.executors import CPU
from popnas.export import description
from popnas.networks.building import num_cells_stacked
from popnas.networks.cost import bulk_costs
from popnas.records import Json
from popnas.runs import RunFolder

if TYPE_CHECKING:
    from popnas.evaluators.training.forecast import TrainingForecast
    from popnas.evaluators.training.packing import Packing


@REGISTRY.register("training", description="trains the network of every candidate on the data (the default)")
class TrainingEvaluator(Evaluator):
    """Candidates are trained in workers; the driver holds the data for what it is asked of them."""

    setup = "popnas.evaluators.training.candidate:setup"
    evaluate = "popnas.evaluators.training.candidate:evaluate"
    has_weights = True
    needs_dataset = True
    dataset: Dataset

    def __init__(self, config: RunConfig, run: Path | None = None) -> None:
        super().__init__(config, run)
        from popnas.evaluators.training import placing

        self._devices = placing.of_workers(config)  # before the data, which may take long to load
        self.dataset = training_data.load(config, run)
        self.spec = tasks.get(config.dataset.type).network_spec(config, self.dataset)
        self.told = self.dataset.told
        self._forecast: TrainingForecast | None = None
        self._packing: Packing | None = None

    @classmethod
    def objectives(cls) -> Sequence[str]:
        """See `Evaluator`: all that there are."""
        return objectives.REGISTRY.names()

    def check(self) -> list[str]:
        """See `Evaluator`."""
        from popnas.evaluators.training import fits

        return fits.check_search(self.config, self.dataset)

    @property
    def devices(self) -> Sequence[str]:
        """See `Evaluator`."""
        return self._devices

    def num_workers(self, tell: Listen) -> int:
        """See `Evaluator`: on GPUs as many as gain by it, if nobody has said how many."""
        from popnas.evaluators.training import packing

        if self._packing is None and packing.applies(self.config, self._devices):
            self._pack(packing.found(self.config, self.dataset, self.spec, tell))
        return super().num_workers(tell)

    def _pack(self, found: Packing) -> None:
        self._packing = found
        self._devices *= found.per_device
        self.workers_per_gpu, self.trial_seconds = found.per_device, found.seconds

    def payload(self, artifacts: str | None, run: str | None) -> Json:
        """See `Evaluator`."""
        from popnas.evaluators.training import fits
        from popnas.evaluators.training.candidate import CandidateSetup

        return CandidateSetup(
            self.config.to_json(),
            artifacts,
            run,
            judges_memory=fits.may_outgrow(self.config, self.dataset),
            num_sharing=self._num_sharing,
        ).to_json()

    @property
    def hang_seconds(self) -> float | None:
        """See `Evaluator`: a candidate may wait until each of its neighbours has ended, and those that are
        tried again alone besides, and then be tried again itself."""
        seconds = super().hang_seconds
        return None if seconds is None else self._num_sharing * seconds

    @property
    def _num_sharing(self) -> int:
        """How many candidates are trained at once on a device that they take from one another."""
        names, settings = set(self._devices), self.config.others.executor
        if names == {CPU}:
            return 1
        number = len(self._devices)  # of a cluster, whose nodes have as many GPUs as their workers
        if self.executor_class.shares_disk:
            number = self.executor_class.workers_for(settings.workers, settings.threads, self._devices)
        return math.ceil(number / len(names))

    @contextmanager
    def sharing(self, folder: Path, tell: Listen) -> Iterator[str | None]:
        """See `Evaluator`: the prepared data."""
        from popnas.evaluators.training import placing, shared_data

        placing.check_trains(self.config)
        with shared_data.shared(self.config, self.dataset, folder, tell) as found:
            self.dataset = found.dataset
            yield found.place

    def facts(self) -> Json:
        """See `Evaluator`."""
        return training_data.DataFacts.of(self.dataset).to_json()

    def compare(self, known: Json) -> str | None:
        """See `Evaluator`."""
        return training_data.compare(known, training_data.DataFacts.of(self.dataset), self.dataset.place)

    def describe(self) -> Json:
        """See `Evaluator`."""
        return self.dataset.describe()

    def costs(self, cells_NB4: np.ndarray) -> dict[str, np.ndarray]:
        """See `Evaluator`."""
        exact = bulk_costs(cells_NB4, self.space, self.spec)
        others = objectives.others(self.config.wanted_objectives)
        return {"params": exact.params, "flops": exact.flops} | {
            row.name: row.computed(cells_NB4, self.space, self.spec) for row in others if row.is_computed
        }

    def cells_stacked(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Evaluator`."""
        return num_cells_stacked(cells_NB4, self.spec)

    @classmethod
    def stacking(cls, config: RunConfig, run: Path) -> CellsStacked:
        """See `Evaluator`: the best model's description says what networks are built of, too."""
        try:
            spec = description.read(RunFolder(run).best_model).network
        except RunFolderError:
            task = tasks.get(config.dataset.type)
            spec = task.network_spec(config, task.load(config))
        return partial(num_cells_stacked, spec=spec)

    def forecast(self, tell: Listen) -> Forecast:
        """See `Evaluator`."""
        from popnas.evaluators.training.forecast import TrainingForecast

        packed = () if self._packing is None else (self._packing.stretch, self._packing.per_device)
        self._forecast = TrainingForecast(self.config, self.dataset, self.spec, tell, self._forecast, *packed)
        return self._forecast

    def varied(self, config: RunConfig) -> Evaluator:
        """See `Evaluator`: with the data as they are, or the first of them, and what was probed. How many
        share a GPU stays as it is: of what is cut no fewer fit."""
        from popnas.evaluators.training.forecast import shortened

        fields = {"samples": None}
        if self.config.dataset.model_copy(update=fields) != config.dataset.model_copy(update=fields):
            other = type(self)(config)
            if self._packing is not None:
                other._pack(self._packing)
            return other
        found = copy.copy(self)
        found.config, found.space = config, config.space
        own = config.dataset.validation_size is None
        found.dataset = shortened(self.dataset, config.dataset.samples, validates_apart=own)
        found.spec = tasks.get(config.dataset.type).network_spec(config, found.dataset)
        return found

    def write_best(self, model: BestModel, tell: Listen) -> None:
        """See `Evaluator`."""
        from popnas.evaluators.training import best_model

        best_model.write(model, self.config, self.spec, self.dataset, tell)
