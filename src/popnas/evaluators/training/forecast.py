"""What training candidates will take, from the probes of a few of them where they will be trained: in this
process, or by a worker where workers are on other machines.

`evaluate` is handed to executors by its dotted name and speaks JSON only.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from popnas import executors
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import PopnasError
from popnas.evaluators._base import Expected, Forecast
from popnas.evaluators.training import candidate, fits, probing, shared_data
from popnas.evaluators.training.candidate import CandidateSetup
from popnas.evaluators.training.context import CandidateContext
from popnas.evaluators.training.placing import of_workers, placement
from popnas.events import JobEvent, Listen, PhaseAdvanced, PhaseStarted
from popnas.executors import Job, Misread, Progress, Work
from popnas.networks.spec import NetworkSpec
from popnas.records import Json
from popnas.report.markup import duration
from popnas.training.accelerated import xla

_OF_A_TPU = (
    "others.train_strategy: the TPU is left to those who train, so the times are of this machine's CPU: "
    f"likely too long. For compiling, {duration(xla.COMPILING_SECONDS)} a network are counted, as it took "
    "on a CPU: nobody has measured a TPU."
)


def epoch_samples(dataset: Dataset) -> float:
    """What an epoch of training and validation comes to, in training samples: a forward pass alone takes a
    third of a step, and grows with the images where validation sees more than the training crop.
    """
    fold = dataset.folds[0]
    return len(fold.train) + len(fold.validation) * dataset.whole_image_share / 3


def shortened(dataset: Dataset, samples: int | None, *, validates_apart: bool) -> Dataset:
    """The data set with so many training examples (`dataset.samples`) at most, whichever: all take as long.
    With `validates_apart` those that validate are no part of them."""
    fold = dataset.folds[0]
    number = len(fold.train) + (0 if validates_apart else len(fold.validation))
    if samples is None or samples >= number:
        return dataset

    def first(indices: np.ndarray | slice) -> np.ndarray:
        whole = np.arange(len(fold.pool))[indices]
        return whole[: max(round(len(whole) * samples / number), 1)]

    folds = [
        replace(
            each,
            train_indices=first(each.train_indices),
            validation_indices=each.validation_indices if validates_apart else first(each.validation_indices),
        )
        for each in dataset.folds
    ]
    return replace(dataset, folds=folds)


def _holds_for(known: TrainingForecast, config: RunConfig, spec: NetworkSpec) -> bool:
    """Whether what was probed holds for networks of `spec`: the same, of cells that were all among those."""
    before, now = known.config.space, config.space
    is_part = now.num_blocks <= before.num_blocks and now.lookback_depth <= before.lookback_depth
    return known.spec == spec and now.operators == before.operators and is_part


class TrainingForecast(Forecast):
    """Probes where candidates are trained when it is made, unless another one did so."""

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        spec: NetworkSpec,
        tell: Listen,
        known: TrainingForecast | None = None,
        stretch: float = 1.0,
        per_device: int | None = None,
    ) -> None:
        """`stretch`: how many times as long as alone a candidate takes beside those that share its device,
        `per_device` in all; None: as many as the configuration says."""
        self.stretch, self.per_device = stretch, per_device
        self.config, self.dataset, self.spec = config, dataset, spec
        is_compiled = config.others.train_strategy == "TPU"
        self.compiling = xla.COMPILING_SECONDS if is_compiled else 0.0
        self.probes: probing.Probes
        self.model: probing.CostModel
        if known is not None and _holds_for(known, config, spec):
            self.probes, self.model = known.probes, known.model
        else:
            self.probes = probed(config, dataset, spec, tell)
            self.model = probing.cost_model(config.space, spec, self.probes, tell)
        self.told = ((_OF_A_TPU,) if is_compiled else ()) + tuple(self.probes.told)

    def expect(self, cells_NB4: np.ndarray) -> Expected:
        """See `Forecast`: on all folds, with everything that is done once."""
        costs_N3 = self.model.costs(cells_NB4)
        costs_N3[:, 2] += self.compiling
        fold, num_folds = self.dataset.folds[0], len(self.dataset.folds)
        epochs = self.config.training_hyperparameters.epochs
        trained_N = epochs * len(fold.train) * costs_N3[:, 0]
        whole_N = trained_N + epochs * len(fold.validation) * costs_N3[:, 1] + costs_N3[:, 2]
        return Expected(
            self.stretch * whole_N * num_folds, {"time": trained_N, "inference_time": costs_N3[:, 1]}
        )

    def epoch_seconds(self, cells_NB4: np.ndarray) -> float:
        """See `Forecast`."""
        return float(self.model.costs(cells_NB4)[:, 0].mean()) * len(self.dataset.folds[0].train)

    def once_seconds(self, cells_NB4: np.ndarray) -> np.ndarray:
        """See `Forecast`."""
        once_N = self.model.costs(cells_NB4)[:, 2] + self.compiling
        return np.asarray(self.stretch * once_N * len(self.dataset.folds))

    @property
    def loading_seconds(self) -> float:
        """See `Forecast`."""
        return self.model.loading

    def memory_bytes(self, cells_NB4: np.ndarray) -> int | None:
        """See `Forecast`: with the largest of a few of the cells, on all GPUs; None where it is that of other
        machines."""
        room = fits.Room.of(self.config, self.dataset)
        if not room.limits:
            return None
        room = replace(room, num_workers=self.per_device or room.num_workers)
        batch_size = min(self.config.dataset.batch_size, len(self.dataset.train))
        few = cells_NB4[:: max(len(cells_NB4) // 4, 1)]
        peaks = [fits.need_of(cell, self.spec, batch_size).peak for cell in self.config.space.decode(few)]
        return room.num_devices * room.total(max(peaks))


def probed(config: RunConfig, dataset: Dataset, spec: NetworkSpec, tell: Listen) -> probing.Probes:
    """What candidates cost on the first device that trains any; `tell` hears what is being probed.

    Raises:
        PopnasError: no worker could probe.
    """
    if executors.REGISTRY.get(config.others.executor.kind).shares_disk:
        here = CandidateContext(config, dataset, spec, placement(config, spec).off_tpu, None, None)
        return probing.probed(here, tell)
    return _elsewhere(config, dataset, tell)


def _elsewhere(config: RunConfig, dataset: Dataset, tell: Listen) -> probing.Probes:
    settings, total = config.others.executor, 2 * len(config.space.operators)
    payload = CandidateSetup(config.to_json(), None, None, judges_memory=False).to_json()

    def hear(_: str, told: Progress | Misread) -> None:
        if isinstance(told, Progress):
            tell(PhaseAdvanced(told.epoch))

    with (
        tempfile.TemporaryDirectory(prefix="popnas-plan-") as folder,
        shared_data.shared(config, dataset, Path(folder), tell) as shared,
        executors.create(
            settings.kind,
            Work(f"{candidate.__name__}:setup", f"{__name__}:evaluate", payload, shared.place),
            num_workers=1,
            threads=settings.threads,
            devices=of_workers(config),
        ) as executor,
    ):
        tell(PhaseStarted(f"probing operators on a machine of '{settings.kind}'", total))
        (result,) = executor.run([Job("probes")], on_progress=hear)
    if result.value is None:
        raise PopnasError(
            "what candidates cost could not be probed where they are trained: " + str(result.error)
        )
    return probing.Probes.from_json(result.value)


def evaluate(context: CandidateContext, payload: Json) -> Json:
    """`probing.Probes` as JSON."""
    total = 2 * len(context.config.space.operators)
    done = itertools.count()

    def hear(event: JobEvent) -> None:
        if isinstance(event, PhaseAdvanced):
            executors.tell(Progress(min(next(done), total), total))

    return probing.probed(context, hear).to_json()
