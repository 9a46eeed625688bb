"""Final training: one network on training and validation data together, to its last epoch; its deployment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from popnas import executors, tasks, trackers
from popnas.cells import Cell
from popnas.config import RunConfig, Source, after_search
from popnas.datasets import Dataset
from popnas.errors import ExportError, UserError, must_be
from popnas.evaluators.training import describing, fits, placing
from popnas.events import (
    EpochFinished,
    Listen,
    ModelFinished,
    PhaseStarted,
    Told,
    TrainingsStarted,
    Warned,
    nobody,
)
from popnas.networks.cost import network_cost
from popnas.networks.macros import MACROS
from popnas.printable import counted, quoted
from popnas.process_state import forks, torch_as_imported, torch_in_turn
from popnas.report.sections import ensembles
from popnas.report.sections.ensembles import EnsembleMember, EnsemblePlan
from popnas.runs import RunFolder
from popnas.runs.front import check_constraints
from popnas.runs.lock import RunLock
from popnas.runs.stored import progress
from popnas.runs.stored.countdown import seconds_until
from popnas.runs.stored.reading import is_there
from popnas.training import EpochRecord
from popnas.workflows import advice
from popnas.workflows.data import run_data
from popnas.workflows.models import deployment, earlier, requests, selection, together
from popnas.workflows.models.choices import NetworkChoice, StageChanges
from popnas.workflows.models.ensembles import choosing
from popnas.workflows.models.ensembles import final as final_ensemble
from popnas.workflows.models.ensembles.final import EnsembleJob
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.training import (
    FINAL,
    ModelJob,
    OtherTrainingError,
    TrainedModel,
    check_same_job,
    train_model,
)
from popnas.workflows.settings import unused

T = TypeVar("T")
_BEST, _UNCHANGED = NetworkChoice(), StageChanges()
_SHAPE = {"motifs": "motifs", "normal_cells": "normal_cells_per_motif", "filters": "filters"}
_MACRO = "macro_architecture"
_FLOPS_PER_THREAD = 5e8
"""FLOPs of a batch's forward pass for each thread: below them a further one waits longer than it saves. An
order of magnitude, not a measurement; results depend on it in their last bits alone."""


@dataclass(frozen=True)
class _Found:
    """The cell to train and the macro-architecture that it comes with (None: the run's)."""

    cell: str
    origin: str
    motifs: int | None = None
    normal_cells: int | None = None
    filters: int | None = None
    macro: str | None = None
    warning: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is known as a whole: in another shape it would be another network than was judged."""
        return self.macro is not None and not MACROS.get(self.macro).is_of_cells


@torch_as_imported()
def train(
    run: Path | str,
    network: NetworkChoice = _BEST,
    *,
    partial: Source | None = None,
    changes: StageChanges = _UNCHANGED,
    name: str | None = None,
    renew: bool = False,
    tell: Listen = nobody,
) -> TrainedModel:
    """Train one network for good; called again with equal arguments it goes on where it was.

    The network is that of the best model of the run's model selection; without a selection, the search's
    best; or as `network` says. It is trained with the run's configuration, the `partial` one (path, preset or
    mapping; None: the task's preset) over it, and `changes`. The model is in `final_training/` of the run, or
    in `final_training/NAME`. `renew` trains anew if it would be another network or other settings than those
    that are there, and keeps the old one in `earlier-1` beside it.

    With `network.ensemble` several networks are trained that answer together; they are chosen once, and the
    choice stands in `ensemble.json`.

    Raises:
        UserError: no run or nothing trained in it, mistakes in the arguments, another training there.
        CandidateFailed: training diverged or ran out of memory.
        ExportError: no ONNX file reproduces the network; its weights are kept.
    """
    forks.check("final training")
    must_be(network, NetworkChoice, "`network`", may_be_none=False)
    must_be(changes, StageChanges, "`changes`", may_be_none=False)
    folder = RunFolder.open(run)
    base = requests.run_config(folder)
    path = requests.stage_folder(folder.final_training, name)
    if (place := run_data.new_place(changes.sets)) is not None:
        run_data.check_same(folder, place)
    found = _choose(folder, base, network)
    partial = requests.training_partial(base, partial)
    config = requests.stage_config(base, partial, changes)
    trackers.check(config.others.trackers)
    ignored = [*after_search.warnings(base, config, FINAL), *_unheard(base, config, found)]
    stage, is_given = config, network.is_given or is_reshaped(base, config)
    config = requests.with_macro(config, **_macro(base, config, found, network), macro=found.macro)
    hours = config.others.max_hours
    deadline = None if hours is None else time.monotonic() + hours * 3600
    job = ModelJob(path, found.cell, config, FINAL, deadline, found.origin)
    if found.warning is not None:
        tell(Warned(found.warning))
    lock = RunLock(folder.restore / f"{FINAL}{'-' + name if name else ''}.lock")
    with lock, progress.kept(folder.progress_json, FINAL, tell, advice.for_error) as tell:
        for warning in ignored:
            tell(Warned(warning))
        requests.tell_of_augmentation(base, config, tell)
        if network.ensemble is not None:
            settings = requests.settings_of(base, partial, changes)
            asked = EnsembleRequest(folder, job, network, config if is_given else stage, is_given, settings)
            return _train_ensemble(asked, renew, tell)
        _or_anew(lambda: _check_single(job), path, renew, tell)
        return _train(folder, job, tell)


def _or_anew(look: Callable[[], T], path: Path, renew: bool, tell: Listen) -> T:
    """What `look` answers; where it finds another training and that is to be renewed, what it answers once
    the old one is put aside."""
    try:
        return look()
    except OtherTrainingError:
        if not renew or (kept := earlier.put_aside(path)) is None:
            raise
        tell(Told(f"The training that was there is kept in {kept}."))
        return look()


def _check_single(job: ModelJob) -> None:
    if is_there(job.folder / ensembles.NAME):
        raise OtherTrainingError(
            f"{quoted(job.folder)} holds an ensemble. Choose another `name`, or train anew with `renew`, "
            "which keeps the old one beside the new."
        )
    check_same_job(job)


def is_reshaped(base: RunConfig, config: RunConfig) -> bool:
    """Whether a partial configuration asks for another macro-architecture than the run's."""
    own, changed = base.architecture_hyperparameters, config.architecture_hyperparameters
    return any(getattr(own, name) != getattr(changed, name) for name in (*_SHAPE.values(), _MACRO))


def _macro(
    base: RunConfig, config: RunConfig, chosen: _Found, network: NetworkChoice
) -> dict[str, int | None]:
    """Each number of the macro-architecture: as given, else as the partial configuration changes it, else as
    the chosen cell comes with it, which a network that is known as a whole always does. None: as the
    configuration has it.
    """
    own, changed = base.architecture_hyperparameters, config.architecture_hyperparameters
    found = {}
    for name, field in _SHAPE.items():
        found[name] = getattr(network, name)
        if found[name] is None and (chosen.is_whole or getattr(own, field) == getattr(changed, field)):
            found[name] = getattr(chosen, name)
    return found


def _unheard(base: RunConfig, config: RunConfig, chosen: _Found) -> list[str]:
    """A sentence for each field of the macro-architecture that a partial configuration changes, although the
    chosen network keeps its own."""
    own, changed = base.architecture_hyperparameters, config.architecture_hyperparameters
    kept = [*(_SHAPE.values() if chosen.is_whole else ()), *([] if chosen.macro is None else [_MACRO])]
    return [
        f"architecture_hyperparameters.{field} {getattr(changed, field)!r} has no effect here: the network "
        "that won the selection is a known one, and is trained as it was judged."
        for field in kept
        if getattr(own, field) != getattr(changed, field)
    ]


@dataclass(frozen=True)
class EnsembleRequest:
    """An ensemble that is asked for: of which run; the `job` of the single network that would be trained; the
    stage's configuration, and whether the network is `given`, of which all members are seeds then; what of
    the `settings` was asked for (`requests.settings_of`)."""

    run: RunFolder
    job: ModelJob
    network: NetworkChoice
    config: RunConfig
    is_given: bool
    settings: Sequence[str]


def _train_ensemble(asked: EnsembleRequest, renew: bool, tell: Listen) -> TrainedModel:
    job = asked.job
    dataset = _loaded(asked.run, job, tell)
    tell(PhaseStarted("choosing the members"))

    def look() -> EnsembleJob:
        plan = _ensemble_plan(asked, dataset)
        found = EnsembleJob(job.folder, plan, asked.config, job.deadline)
        final_ensemble.check_same(found)
        if list(plan.settings) != list(asked.settings):  # the whole job plans before it has them
            ensembles.write(job.folder, replace(plan, settings=asked.settings))
        return found

    ensemble = _or_anew(look, job.folder, renew, tell)
    members = ensemble.members()
    _check_fits(members, dataset, tell)
    folders = tuple(member.folder for member in members)
    tell(TrainingsStarted(folders, job.config.training_hyperparameters.epochs, seconds_until(job.deadline)))
    trained = final_ensemble.train(ensemble, dataset, lambda one: _train_one(one, dataset, tell), tell)
    return _deployed(trained, job, dataset, tell)


def _ensemble_plan(asked: EnsembleRequest, dataset: Dataset) -> EnsemblePlan:
    """Those of the selection, or seeds of one network, as the folder says or is written now."""
    job, network = asked.job, asked.network
    models = selection.read_selection(_place_of_selection(asked.run, network))
    if not asked.is_given and selection.best_of(models) is not None:
        return ensemble_of_selection(asked.run, job.folder, network)
    shape, cell = job.config.architecture_hyperparameters, Cell.parse(job.cell)
    macro = (shape.motifs, shape.normal_cells_per_motif, shape.filters, shape.macro_architecture or None)
    spec = tasks.get(job.config.dataset.type).network_spec(job.config, dataset)
    cost = network_cost(cell, describing.one_head(spec))
    member = EnsembleMember(job.origin, cell.key, *macro, 0, cost.params, cost.flops)
    given = f"{cell.key} in {spec.macro}, {macro[0]} motifs, {macro[1]} normal cells, {macro[2]} filters"
    return final_ensemble.planned(
        job.folder, network, given, lambda: choosing.of_seeds(member, network, given)
    )


def ensemble_of_selection(run: RunFolder, folder: Path, network: NetworkChoice) -> EnsemblePlan:
    """The members that a training in `folder` has of the run's selection, as the folder says; chosen, and
    written there, if it does not say yet.

    Raises:
        OtherTrainingError: there is another training, or the selection as it is now says other members.
    """
    place = _place_of_selection(run, network)
    return final_ensemble.planned(
        *(folder, network, None, lambda: choosing.of_selection(place, network)),
        digest=selection.digest(selection.read_selection(place)),
    )


def _place_of_selection(run: RunFolder, network: NetworkChoice) -> Path:
    return requests.stage_folder(run.model_selection, network.selection)


def _loaded(run: RunFolder, job: ModelJob, tell: Listen) -> Dataset:
    tell(PhaseStarted("loading the data"))
    dataset = deployment.load_with_test(job.config, run.path)
    changed = run_data.told_of_changes(run, job.config, dataset)
    for warning in [*unused(job.config), *dataset.told, *changed]:
        tell(Warned(warning))
    return replace(dataset, warnings=[*dataset.warnings, *changed])


def _check_fits(jobs: Sequence[ModelJob], dataset: Dataset, tell: Listen) -> None:
    """Raises UserError if a network that is still to be trained cannot be."""
    left = [job for job in jobs if not ModelFolder(job.folder).is_finished]
    if not left:
        return
    task = tasks.get(left[0].config.dataset.type)
    found = [(Cell.parse(job.cell), task.network_spec(job.config, dataset)) for job in left]
    num_devices = len(placing.devices(left[0].config))
    for warning in fits.check_training(
        left[0].config, dataset, found, is_final=True, num_devices=num_devices
    ):
        tell(Warned(warning))


def _train(run: RunFolder, job: ModelJob, tell: Listen) -> TrainedModel:
    tell(Told(f"{job.origin}: {job.cell}"))
    dataset = _loaded(run, job, tell)
    _check_fits([job], dataset, tell)
    tell(
        TrainingsStarted(
            (job.folder,), job.config.training_hyperparameters.epochs, seconds_until(job.deadline)
        )
    )
    return _deployed(_train_one(job, dataset, tell), job, dataset, tell)


def _train_one(job: ModelJob, dataset: Dataset, tell: Listen) -> TrainedModel:
    def on_epoch(number: int, record: EpochRecord) -> None:
        tell(EpochFinished(job.folder.name, number, job.config.training_hyperparameters.epochs))

    devices = together.devices_for(job, dataset)
    if len(devices) > 1:
        tell(Told(f"Trained on {len(devices)} devices together: {', '.join(devices)}."))
        trained = together.train(job, dataset, devices, tell)
    else:
        with torch_in_turn(_threads(job, dataset)):
            trained = train_model(job, dataset, on_epoch)
    tell(ModelFinished(job.folder, f"trained for {counted(trained.num_epochs, 'epoch')}"))
    if trained.weights_of is not None:
        tell(Warned(_told_of_weights(trained, job)))
    for missing in trained.missing_views:
        tell(Warned(missing))
    return trained


def _told_of_weights(trained: TrainedModel, job: ModelJob) -> str:
    epochs = job.config.training_hyperparameters.epochs
    return (
        f"the time was up after {trained.num_epochs} of {counted(epochs, 'epoch')}: the weights of "
        f"{trained.weights_of}, which were trained longer, are delivered instead. With more time the same "
        "training goes on."
    )


def _deployed(trained: TrainedModel, job: ModelJob, dataset: Dataset, tell: Listen) -> TrainedModel:
    """The same, once it has a deployment folder; raises ExportError."""
    folder = ModelFolder(job.folder)
    if trained.warning is not None:
        raise ExportError(f"{trained.warning}\nThe weights are kept in {quoted(folder.weights)}.")
    # The deployment's `model.json` is written last: a folder that has it is whole.
    if not ModelFolder(folder.deploy).is_finished:
        tell(PhaseStarted("writing the deployment folder"))
        deployment.deploy(folder, tell=tell, told=dataset.told)
    return trained


def _choose(folder: RunFolder, base: RunConfig, network: NetworkChoice) -> _Found:
    if network.cell is not None:
        return _Found(requests.given_cell(network.cell, base).key, "The given cell")
    state, place = folder.state(), _place_of_selection(folder, network)
    best = selection.best_of(selection.read_selection(place))
    if best is not None:
        origin = f"The best of the model selection ({best.folder.name}, validation {best.score:.4f})"
        stale = selection.staleness(folder.path, place, state)
        shape = (best.motifs, best.normal_cells, best.filters, best.macro)
        return _Found(best.cell, origin, *shape, stale)
    if network.selection is not None:
        raise UserError(
            f"`selection` '{network.selection}': {quoted(place)} holds no model selection that has trained a "
            f"network. Selections with names in this run: {', '.join(selection.names(folder)) or 'none'}."
        )
    searched = state.best
    if searched is None:
        check_constraints(state)
        raise requests.no_network(folder.path)
    so_far = "" if state.is_finished else " so far"
    return _Found(searched.cell, f"The best of the search{so_far} (validation {searched.score:.4f})")


def _threads(job: ModelJob, dataset: Dataset) -> int:
    """Threads on a CPU: one where the network is small, else all cores; those it began with if it is resumed,
    because results depend on them in their last bits."""
    folder = ModelFolder(job.folder)
    if folder.has_log:
        return folder.log().threads
    spec = tasks.get(job.config.dataset.type).network_spec(job.config, dataset)
    flops = network_cost(Cell.parse(job.cell), spec).flops * job.config.dataset.batch_size
    most = min(len(executors.available_cores()), torch.get_num_threads())
    return max(1, min(most, int(flops / _FLOPS_PER_THREAD)))
