"""The training that fills a model's folder, resumable to the byte.

`checkpoint.pt` holds everything that a training needs to go on exactly as it would have gone; `training.json`
tells how it goes while it is under way; `model.json`, written last, says that it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from popnas import config as configurations
from popnas import executors, networks, tasks, training
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.config.sections import DataAugmentationConfig
from popnas.datasets import Dataset, Split
from popnas.errors import ExportError, RunFolderError
from popnas.evaluators.training import compiling, shared_data
from popnas.evaluators.training.describing import describe_model
from popnas.evaluators.training.placing import placement
from popnas.executors import Progress, Worker
from popnas.export import description
from popnas.export.model_values import HowTrained, OnnxCheck, Outcome
from popnas.networks import weights
from popnas.networks.cost import network_cost
from popnas.networks.known.fitted import FittedNetwork
from popnas.networks.macros import MACROS
from popnas.printable import quoted
from popnas.records import Json, Record, part
from popnas.report.views import Views
from popnas.runs import RunFolder, identity
from popnas.runs.folder import same_search, search_part, without
from popnas.runs.stored.reading import is_there, read_json
from popnas.seeds import derive_seed
from popnas.storage import proof, remove_temporary, storage_errors, write_bytes, write_json
from popnas.trackers import Scope, Trackers, epoch_figures
from popnas.training import EpochRecord, SnapshotError, simulated
from popnas.training.device import check_trains
from popnas.training.failures import release
from popnas.training.interfaces import Snapshot, TrainingSnapshot
from popnas.training.parallel import Meeting, Team
from popnas.workflows.models import files
from popnas.workflows.models.folder import ModelFolder, TrainingLog
from popnas.workflows.models.stored.checkpoint import Checkpoint, Checkpointed
from popnas.workflows.models.stored.longest import longest
from popnas.workflows.models.stored.repetitions import FIRST, Repetition

SELECTION: Literal["model_selection"] = "model_selection"
FINAL: Literal["final_training"] = "final_training"
_REMEDIES = {
    SELECTION: "Choose another `name`, or remove the folder to train anew.",
    FINAL: "Choose another `name`, or train anew with `renew`, which keeps the old one beside the new.",
}


class OtherTrainingError(RunFolderError):
    """A sound folder holds the training of other settings or another cell."""


@dataclass(frozen=True)
class ModelJob:
    """One network to train.

    `config`: the whole configuration, macro-architecture and batch size included; `stage`: `SELECTION` (the
    best epoch on validation data is kept, or the last, with `keeps_last`) or `FINAL` (training and validation
    data together, the last epoch is kept); `deadline`: `time.monotonic()`, which processes share, at which
    training stops with the epoch that it is in, its result being what it has by then. Called again it goes
    on, until the deadline that it has then.
    """

    folder: Path
    cell: str
    config: RunConfig
    stage: str
    deadline: float | None = None
    origin: str = ""
    """Where the cell comes from, in words."""
    device: str | None = None
    """Name of the device; None: the first of the configuration's."""
    repetition: Repetition = FIRST
    """Which fold of the data it is trained on, and with which of several seeds."""
    keeps_last: bool = False
    """`SELECTION`: keep the last epoch, too."""
    meeting: Meeting | None = None
    """Where the processes meet that train it together, of which this one is one; None: it is alone."""

    @property
    def is_leaders(self) -> bool:
        """Whether what comes of it is written by this process."""
        return self.meeting is None or self.meeting.number == 0

    @property
    def is_time_up(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    @property
    def seed(self) -> int:
        """From the run's seed, the stage, the cell and its macro-architecture, and which repetition it is."""
        shape, again = self.config.architecture_hyperparameters, self.repetition
        place = (shape.filters, shape.motifs, shape.normal_cells_per_motif)
        which = () if again.is_first else (again.seed, again.fold)
        return derive_seed(self.config.others.seed, self.stage, Cell.parse(self.cell).key, *place, *which)


@dataclass(frozen=True)
class TrainedModel(Record):
    """A finished model folder. `best_epoch` (from 1) is the one whose weights are kept; `metrics` are its
    main head's on validation data (final training: none); `training_seconds` as the run's timing has them;
    `stopped` says why training ended before its last epoch; `weights_of`, in its run's folder, whose weights
    are kept instead, as these were trained longer; `warning` why there is no ONNX file;
    `missing_views` (sentences) which logs and pictures could not be made.
    """

    folder: Path
    best_epoch: int
    num_epochs: int
    metrics: Mapping[str, float | None]
    score: float | None
    training_seconds: float
    stopped: str | None = None
    weights_of: str | None = None
    warning: str | None = None
    missing_views: tuple[str, ...] = ()


OnEpoch = Callable[[int, EpochRecord], None]
"""Called with the number of epochs that are done and the record of the last one."""


def train_model(
    job: ModelJob, dataset: Dataset | None = None, on_epoch: OnEpoch | None = None
) -> TrainedModel:
    """Train one post-search network, or go on with it, or read the result if it is there already; one that a
    limit stopped goes on if there is time now.

    With equal threads, a training on a CPU that was killed at any instant ends in the bytes of one that
    was not. `dataset`: the job's data, if they are loaded already.

    Raises:
        RunFolderError: the folder holds another model, or another model's unfinished training.
        CandidateFailed: training diverged or ran out of memory.
        StorageError: the disk refused.
        UserError: this process cannot train on the device.
    """
    folder = ModelFolder(job.folder)
    check_same_job(job)
    # Those who meet were started because there is something to train (`together`): each would wait for one
    # who decided otherwise, by a clock that has gone on.
    if folder.is_finished and job.meeting is None:
        how = folder.description().training
        if how is None or how.stopped is None or job.is_time_up:
            return read_trained(folder)
    write_json(folder.config_json, job.config.to_json())
    task = tasks.get(job.config.dataset.type)
    return _ModelTraining(job, folder, dataset or task.load(job.config), on_epoch).run()


def help_to_train(job: ModelJob, dataset: Dataset) -> None:
    """Train with others that meet, and write nothing: what comes of it the leader writes.

    Raises:
        CandidateFailed, RunFolderError: as `train_model`.
        ProcessLostError: another process is gone.
    """
    assert not job.is_leaders, job.meeting
    _ModelTraining(job, ModelFolder(job.folder), dataset, None).help()


def check_same_job(job: ModelJob) -> None:
    """Raises RunFolderError if the job's folder holds something else than this job's model or checkpoint: an
    OtherTrainingError, where all of it can be read."""
    folder = ModelFolder(job.folder)
    for place in (folder.path, folder.deploy, folder.tensorboard):
        identity.check_place(place)
    if not is_there(folder.config_json):
        if folder.path.is_dir() and any(path.is_file() for path in folder.path.glob("[!.]*")):
            raise RunFolderError(
                f"{quoted(folder.path)} exists already and is no model's folder. Choose another `name`."
            )
        return
    remedy = f"remove {quoted(folder.path)}, and the same command trains anew"
    is_same = same_search(read_json(folder.config_json, remedy=remedy), job.config.to_json())
    begun = folder.log().cell if folder.has_log else None
    if not is_same or begun not in (None, Cell.parse(job.cell).key):
        what = "model" if folder.is_finished else "unfinished training"
        raise OtherTrainingError(
            f"{quoted(folder.path)} holds the {what} of other settings or another cell. "
            f"{_REMEDIES[job.stage]}"
        )


def read_trained(folder: ModelFolder) -> TrainedModel:
    """The result that a finished folder tells of."""
    model = folder.description()
    how = model.training
    if how is None:
        raise RunFolderError(f"{quoted(folder.model_json)} has no 'best_epoch'. {description.REMEDY}")
    return TrainedModel(
        folder.path,
        best_epoch=how.best_epoch,
        num_epochs=how.num_epochs,
        metrics=model.validation_metrics or {},
        score=None if model.outcome is None else model.outcome.score,
        training_seconds=folder.log().training_seconds,
        stopped=how.stopped,
        weights_of=how.weights_of,
        warning=how.onnx_warning,
        missing_views=tuple(how.missing_views),
    )


_CALM_SECONDS, _CALM_SHARE = 2.0, 20
"""After a state was saved the next one waits so many seconds, and so many times what saving took:
of small data, whose epochs take milliseconds, saving each took half of the training."""
_LOG_SECONDS = 1.0
"""Those who look at a training look at its log no more often."""

_LATER = {
    "architecture_hyperparameters": {"stem": None},
    "training_hyperparameters": {"ema_decay": None},
}
_NO_PART = ("predictors", "evaluator", "selection_seeds", "selection_budget")
_AUGMENTATION = "data_augmentation"
_PLAIN: Json = DataAugmentationConfig().model_dump(exclude={"enabled", "use_cutout"})
"""By section, and of augmentation, the fields that checkpoints of earlier versions do not know, as they were
then."""


def _as_known_before(config: Json) -> Json:
    """Without the fields of `_LATER` where they are as they were."""
    found: Json = config
    for section, defaults in _LATER.items():
        names = [name for name, default in defaults.items() if part(config, section).get(name) == default]
        found = without(found, section, names)
    given = part(part(config, "dataset"), _AUGMENTATION)
    known = {name: given[name] for name in given if (_PLAIN.get(name, ...) or 0) != (given[name] or 0)}
    return {**found, "dataset": {**part(found, "dataset"), _AUGMENTATION: known}}


class _ModelTraining:
    """One training under way; every method is one phase of it."""

    def __init__(
        self, job: ModelJob, folder: ModelFolder, dataset: Dataset, on_epoch: OnEpoch | None
    ) -> None:
        self.job, self.folder, self.on_epoch = job, folder, on_epoch
        self.dataset = replace(dataset, folds=[dataset.folds[job.repetition.fold]])
        self.run_id = identity.of_enclosing(folder.path)
        self.task = tasks.get(job.config.dataset.type)
        self.cell = Cell.parse(job.cell).canonical()
        self.spec = self.task.network_spec(job.config, dataset).replace(is_post_search=True)
        self.is_final = job.stage == FINAL
        # Repetitions of a selection are there for their figures and weights.
        self.has_all_files = self.is_final or job.repetition.is_first
        self.views = Views()
        run = identity.enclosing(folder.path)
        self.placement = placement(job.config, self.spec, job.device, run)
        num_examples = len(dataset.full_train if self.is_final else dataset.train)
        compiled = compiling.of_network(
            *(job.config, self.cell, self.spec, self.placement, num_examples),
            num_devices=1 if job.meeting is None else job.meeting.size,
        )
        self.settings = compiling.settings(job.config, compiled)
        self.checkpoint = Checkpoint(folder.checkpoint, self._training())
        self.snapshot = self.checkpoint.load()
        self.records: list[EpochRecord] = []
        self.wall_seconds, self.epoch_seconds = 0.0, list[float]()
        self.stopped: str | None = None
        self.weights_of: str | None = None
        if (known := self.snapshot) is not None:
            self.records = [EpochRecord.from_json(record) for record in known["epochs"]]
            self.wall_seconds = known.get("wall_seconds", 0.0)
            self.epoch_seconds = list(known.get("epoch_seconds", []))
            # Processes that meet train an epoch at least, lest some of them find the time up and others not.
            self.stopped = known.get("stopped") if job.is_time_up and job.meeting is None else None
        self.resumed_at = time.monotonic()
        self.logged_at = self.saved_at = float("-inf")
        self.calm_seconds = _CALM_SECONDS

    def run(self) -> TrainedModel:
        self._reopen()
        torch.manual_seed(self.job.seed)
        network = networks.build(self.cell, self.spec)
        self._write_log()
        is_untrained_kept = (
            self.has_all_files and not self.is_final and not isinstance(network, FittedNetwork)
        )
        if is_untrained_kept and not self.folder.untrained_onnx.is_file():
            self._export(network, self.folder.untrained_onnx)
        run = identity.enclosing(self.folder.path)
        name = "" if run is None else run.name
        scope = Scope("training", self.folder.path, run=self.run_id, name=name, is_anew=not self.records)
        with Trackers(self.job.config.others.trackers, scope) as self.trackers:
            self.trackers.params({"cell": self.cell.key, "seed": self.job.seed, "stage": self.job.stage})
            for number, record in enumerate(self.records, start=1):
                self._track(record, number)
            try:
                kept = self._fit(network)
            except SnapshotError as error:
                raise self.checkpoint.damaged() from error
            return self._finish(network, *self._or_longer_trained(*kept))

    def help(self) -> None:
        torch.manual_seed(self.job.seed)
        network = networks.build(self.cell, self.spec)
        try:
            self._fit(network)
        except SnapshotError as error:
            raise self.checkpoint.damaged() from error

    def _or_longer_trained(self, best_epoch: int, state: dict[str, Tensor]) -> tuple[int, dict[str, Tensor]]:
        """What was trained, or, where a final training had hardly any time, the weights that the search or
        the model selection has of the same network and trained longer: nobody gets less than there was. With
        more time this training goes on from its own."""
        run = identity.enclosing(self.folder.path)
        if not self.is_final or self.stopped is None or run is None:
            return best_epoch, state
        own = describe_model(self.cell, self.spec, self.job.config, self.dataset)
        found = longest(RunFolder.open(run), own)
        seen = len(self.records) * len(self.dataset.full_train)
        if found is None or found.num_epochs * len(self.dataset.train) <= seen:
            return best_epoch, state
        self.weights_of = str(found.model.path.relative_to(run))
        return best_epoch, found.model.load_network().state_dict()

    def _reopen(self) -> None:
        """What says that training is done goes first: a kill from here on leaves a training that goes on."""
        if self.job.meeting is None:  # else who started the processes did so, and laid the data there since
            remove_temporary(self.folder.path)
        for done in (self.folder.model_json, ModelFolder(self.folder.deploy).model_json):
            with storage_errors(done):
                done.unlink(missing_ok=True)

    def _fit(self, network: networks.Network) -> tuple[int, dict[str, Tensor]]:
        """Train to the end; the kept epoch (from 0) and its weights."""
        check_trains(self.placement.device)
        if isinstance(network, FittedNetwork):
            return self._fit_at_once(network)
        if self.stopped:
            assert self.snapshot is not None
            try:
                # Final training keeps the last epoch, so its checkpoint holds no better weights.
                last = self.snapshot.get("averaged") or self.snapshot["network"]
                network.load_state_dict(self.snapshot["best_state"] or last)
            except RuntimeError as error:
                raise SnapshotError(str(error)) from error
            return self.snapshot["best_epoch"], network.state_dict()
        if self.placement.device.type != "cpu":  # a walk through all objects takes a fifth of a second
            release(self.placement.device)  # what a training that failed before may have left
        if self.job.meeting is None:
            return self._fit_with(network, None)
        with self.job.meeting.joined(self.placement.device) as team:
            self.placement = team.agreed(self.placement)
            return self._fit_with(network, team)

    def _fit_with(self, network: networks.Network, team: Team | None) -> tuple[int, dict[str, Tensor]]:
        config, task, data = self.job.config, self.task, self.dataset
        is_compiled = self.settings.is_compiled or self.placement.device.type == "xla"
        self.pace = training.TrainingPace(
            self.settings.epochs, self.job.deadline, team, is_compiled=is_compiled
        )
        is_simulated = config.others.timing == "simulated"
        if self.is_final:
            train, validation_loader = data.full_train, None
        else:
            train = data.train
            validation_loader = task.evaluation_loader(config, data, data.validation, self.placement)
        result = training.fit(
            network,
            task.train_loader(config, data, train, self.placement, seed=self.job.seed),
            validation_loader,
            training.Criteria(task.loss(config, data), lambda: task.metrics(data.num_classes)),
            self.settings,
            self.placement,
            training.Course(
                self.job.seed,
                simulated_cost=network_cost(self.cell, self.spec) if is_simulated else None,
                keeps_last=self.job.keeps_last,
                on_epoch=self._end_epoch if self.job.is_leaders else None,
                resume=self.snapshot,
                team=team,
                pace=self.pace,
            ),
        )
        return result.best_epoch, result.best_state

    def _fit_at_once(self, network: FittedNetwork) -> tuple[int, dict[str, Tensor]]:
        """The fit of a network without epochs, told as one: its loss is that on examples
        left out. Interrupted, it begins anew."""
        config, data = self.job.config, self.dataset
        split = data.full_train if self.is_final else data.train
        self.records.clear()
        self.epoch_seconds.clear()
        self.placement = self.placement.off_tpu
        network.to(self.placement.device).eval()
        started = time.monotonic()
        loss = network.fit(self.task.evaluation_loader(config, data, split, self.placement), self.job.seed)
        seconds = time.monotonic() - started
        if config.others.timing == "simulated":
            cost = network_cost(self.cell, self.spec)
            seconds = simulated.training_seconds(cost.flops, cost.params, len(split))
        judged = split if self.is_final else data.validation
        metrics, judged_at = self._judged(network, judged), time.monotonic()
        record = EpochRecord(loss, 0.0, [metrics], seconds, time.monotonic() - judged_at)
        self.records.append(record)
        self.epoch_seconds.append(self._wall_seconds())
        self._track(record, 1)
        self._write_log()
        if self.on_epoch is not None:
            self.on_epoch(1, record)
        return 0, network.state_dict()

    @torch.inference_mode()
    def _judged(self, network: FittedNetwork, split: Split) -> dict[str, float]:
        metrics = self.task.metrics(self.dataset.num_classes)
        for batch in self.task.evaluation_loader(self.job.config, self.dataset, split, self.placement):
            metrics.update(network(self.placement.laid_out(batch.x), batch.lengths)[-1], batch.y)
        return metrics.compute()

    def _end_epoch(self, record: EpochRecord, snapshot: Snapshot) -> bool:
        """Save and tell what an epoch brought; returns whether there is no time for another."""
        self.records.append(record)
        self.epoch_seconds.append(self._wall_seconds() - sum(self.epoch_seconds))
        number = len(self.records)
        self._track(record, number)
        is_last = number == self.settings.epochs
        if not is_last and (self.pace.is_through or self.pace.is_time_up):
            self.stopped = "max_hours"
        is_end, now = is_last or self.stopped is not None, time.monotonic()
        if is_end or now - self.saved_at >= self.calm_seconds:
            self._save_checkpoint(snapshot())
        if is_end or now - self.logged_at >= _LOG_SECONDS:
            self.logged_at = now
            self._write_log()
        if self.on_epoch is not None:
            self.on_epoch(number, record)
        return self.stopped is not None

    def _track(self, record: EpochRecord, number: int) -> None:
        self.trackers.metrics(epoch_figures(record, "training" if self.is_final else "validation"), number)

    def _end_trackers(self) -> None:
        """Before `model.json`, which names the logs that are missing."""
        for path in (self.folder.weights, self.folder.onnx):
            if path.is_file():
                self.trackers.artifact(path)
        self.trackers.status(self.stopped or "completed")
        self.trackers.close()
        for name, failure in self.trackers.failures.items():
            self.views.lost(f"some of the log of {name} of {quoted(self.folder.path)}", failure)

    # --- what is on disk
    # ---------------------------------------------------------------------------------------

    def _save_checkpoint(self, snapshot: TrainingSnapshot) -> None:
        began = time.monotonic()
        self.checkpoint.save(
            Checkpointed(
                **snapshot,
                wall_seconds=self._wall_seconds(),
                epoch_seconds=self.epoch_seconds,
                stopped=self.stopped,
            )
        )
        self.saved_at = time.monotonic()
        self.calm_seconds = max(_CALM_SECONDS, _CALM_SHARE * (self.saved_at - began))

    def _training(self) -> str:
        """Which training a checkpoint is of: run, cell and all that it is trained with."""
        config = search_part(self.job.config.to_json())
        # No part of a training, and the others not there in checkpoints of earlier versions.
        for section, names in (("dataset", ("path",)), ("others", _NO_PART)):
            config = without(config, section, names)
        config = _as_known_before(config)
        again = self.job.repetition
        which = {} if again.is_first else {"seed": again.seed, "fold": again.fold}
        which |= {"keeps_last": True} if self.job.keeps_last else {}
        return proof({identity.KEY: self.run_id, "cell": self.cell.key, "config": config, **which})

    def _wall_seconds(self) -> float:
        return self.wall_seconds + time.monotonic() - self.resumed_at

    def _device_words(self) -> str:
        device, meeting = self.placement.device, self.job.meeting
        return str(device) if meeting is None else f"{meeting.size} x {device.type}"

    def _write_log(self) -> None:
        log = TrainingLog(
            run=self.run_id,
            cell=self.cell.key,
            stage=self.job.stage,
            num_epochs=self.settings.epochs if MACROS.get(self.spec.macro).is_of_cells else 1,
            device=self._device_words(),
            threads=torch.get_num_threads(),
            metrics_are_of="training batches" if self.is_final else "validation data",
            training_seconds=sum(record.training_seconds for record in self.records),
            wall_seconds=self._wall_seconds(),
            epoch_seconds=self.epoch_seconds,
            epochs=[record.to_json() for record in self.records],
        )
        write_json(self.folder.training_json, log.to_json(), is_proven=True)

    def _finish(
        self, network: networks.Network, best_epoch: int, best_state: dict[str, Tensor]
    ) -> TrainedModel:
        """Write the model's files, `model.json` last."""
        place = self.placement.off_tpu
        network.to(place.device).load_state_dict(best_state)
        network.eval()
        write_bytes(self.folder.weights, weights.to_bytes(network.state_dict()), is_durable=True)
        metrics = {} if self.is_final else self.records[best_epoch].head_metrics[-1]
        if not self.is_final and self.has_all_files:
            split = self.dataset.validation
            loader = self.task.evaluation_loader(self.job.config, self.dataset, split, place)
            classes = self.dataset.class_names
            counts = files.confusion(network, loader, len(classes), place)
            files.write_confusion(self.folder.path, counts, classes, self.views)
        check, warning = self._export(network, self.folder.onnx) if self.has_all_files else (None, None)
        self._end_trackers()
        how = HowTrained(
            best_epoch=best_epoch + 1,
            num_epochs=len(self.records),
            origin=self.job.origin or None,
            stopped=self.stopped,
            weights_of=self.weights_of,
            onnx_warning=warning,
            missing_views=list(self.views.missing),
        )
        model = replace(
            describe_model(self.cell, self.spec, self.job.config, self.dataset),
            run=self.run_id,
            stage=self.job.stage,
            validation_metrics=metrics or None,
            outcome=Outcome(metrics.get(self.settings.score_metric), self.job.seed, check),
            training=how,
        )
        description.write(self.folder.path, model, is_durable=True)
        if self.stopped is None:  # else it may go on
            self.folder.checkpoint.unlink(missing_ok=True)
        return read_trained(self.folder)

    def _export(self, network: networks.Network, path: Path) -> tuple[OnnxCheck | None, str | None]:
        """What was checked of the ONNX file, or why there is none: the weights count without it too."""
        try:
            return files.export_onnx(network, self.dataset.preprocessing, path), None
        except ExportError as error:
            return None, str(error)


# --- in a worker
# ---------------------------------------------------------------------------------------------------

SETUP = "popnas.workflows.models.training:setup"


@dataclass(frozen=True)
class ModelsSetup(Record):
    """What every worker that trains models is told: the resolved configuration that theirs are made of."""

    config: Json


@dataclass(frozen=True)
class ModelsContext:
    """What all trainings of a worker share, made once."""

    config: RunConfig
    dataset: Dataset
    device: str


def setup(payload: Json, worker: Worker) -> ModelsContext:
    """Get the data; `payload` is a `ModelsSetup`.

    Raises:
        UserError: this process cannot train on the worker's device.
    """
    config = configurations.load(ModelsSetup.from_json(payload).config)
    check_trains(torch.device(worker.device))
    return ModelsContext(config, shared_data.of_worker(config, worker.folder), worker.device)


def train_and_tell(job: ModelJob, dataset: Dataset) -> Json:
    """Train one model and tell the driver of its epochs; a `TrainedModel` as JSON."""
    num_epochs = job.config.training_hyperparameters.epochs

    def on_epoch(number: int, record: EpochRecord) -> None:
        executors.tell(Progress(number, num_epochs))

    return train_model(job, dataset, on_epoch).to_json()
