"""Model selection: the best cells of a run, and wider and deeper networks of them, trained longer.

What is trained stands in `selection.json` before anything is; each model has its own folder and is resumed
from its own checkpoint, as are its repetitions on other folds and with other seeds (`repetitions`) in folders
below it. `training_results.csv` and `scores.json` are views of those folders.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path

from popnas import config as configurations
from popnas import executors, tasks, trackers
from popnas.cells import Cell
from popnas.command_lines import as_typed
from popnas.config import RunConfig, Source
from popnas.datasets import Dataset
from popnas.errors import CandidateFailed, PopnasError, RunFolderError, UserError, must_be
from popnas.evaluation import metric_title
from popnas.evaluators.training import fits, placing, shared_data, training_data
from popnas.evaluators.training.placing import num_workers
from popnas.events import (
    Listen,
    ModelFinished,
    PhaseStarted,
    Told,
    TrainingsStarted,
    Warned,
    nobody,
)
from popnas.executors import Executor, Job, Result, Work
from popnas.networks.cost import network_cost
from popnas.networks.known import references
from popnas.networks.spec import NetworkSpec
from popnas.printable import counted, quoted
from popnas.process_state import forks, torch_as_imported
from popnas.records import Json, Record
from popnas.report.sections.references import AgainstReferences, ComparedNetwork
from popnas.report.sections.selected import ScoredModel, SelectionScores
from popnas.report.statistics import Interval, share_noise
from popnas.report.views import RepeatedViews
from popnas.runs import RunFolder, RunState, identity
from popnas.runs.folder import search_part
from popnas.runs.front import check_constraints, trained_front
from popnas.runs.lock import RunLock
from popnas.runs.stored import logs, progress
from popnas.runs.stored.countdown import seconds_until
from popnas.runs.stored.reading import is_there, read_record
from popnas.runs.stored.rules import is_text, or_none
from popnas.storage import compact_json, write_json, write_table
from popnas.workflows import advice
from popnas.workflows.data import run_data
from popnas.workflows.hearing import EpochsHeard
from popnas.workflows.models import macro_variants, requests, search_state, together
from popnas.workflows.models.choices import CellChoice, StageChanges
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.macro_variants import Macro
from popnas.workflows.models.search_state import SearchSnapshot
from popnas.workflows.models.stored import repetitions, selection_plan
from popnas.workflows.models.stored.repetitions import FIRST, Repetition
from popnas.workflows.models.stored.selection_plan import PlannedModel, SelectionPlan, SelectionRequest
from popnas.workflows.models.timing import deadlines, equal
from popnas.workflows.models.training import (
    SELECTION,
    SETUP,
    ModelJob,
    ModelsContext,
    ModelsSetup,
    TrainedModel,
    read_trained,
    train_and_tell,
)
from popnas.workflows.settings import unused

EVALUATE = "popnas.workflows.models.selection:evaluate"
_BEST, _UNCHANGED = CellChoice(), StageChanges()
_DIGITS = 9
NAMES = "Models are named by number, motifs (m), normal cells per motif (n) and filters (f)."
_FAILURE = {
    "error": is_text,
    "error_kind": or_none(lambda value: value in CandidateFailed.KINDS),
}
_HEADER = ("cell_spec", "m", "n", "f", "best_epoch", "val_score", "training_time")


@dataclass(frozen=True)
class SelectedModel:
    """One model of a selection; `trained` is None if it failed (`error` says why) or is not done yet;
    `reference`: which known network it is, None: one of the search's; `macro`, `epochs`: as `PlannedModel`.

    `repeated`: all trainings that are done, `trained` the first of them; `summary`: their scores' mean and
    95 % interval, over those that all models have which are compared."""

    folder: Path
    cell: str
    motifs: int
    normal_cells: int
    filters: int
    params: int
    macro: str | None = None
    reference: str | None = None
    epochs: int | None = None
    trained: TrainedModel | None = None
    repeated: Mapping[Repetition, TrainedModel] = field(default_factory=dict)
    summary: Interval | None = None
    error: str | None = None
    error_kind: str | None = None

    @property
    def score(self) -> float | None:
        """On validation data: the best epoch's, or the (mean of the) last (`SelectionJob.keeps_last`)."""
        return None if self.trained is None or self.summary is None else self.summary.mean

    def lacking(self, wanted: Sequence[Repetition]) -> list[Repetition]:
        """The trainings that are still to be done, or to be gone on with; none of a model that failed."""
        if self.error is not None:
            return []
        return [each for each in wanted if each not in self.repeated or self.repeated[each].stopped]

    @property
    def training_seconds(self) -> float | None:
        """Of one training, the mean."""
        taken = [done.training_seconds for done in self.repeated.values()]
        return sum(taken) / len(taken) if taken else None


@dataclass(frozen=True)
class FailedModel(Record):
    """Why a model of a selection could not be trained, `failed.json` in its folder."""

    error: str | None = None
    error_kind: str | None = None


@dataclass(frozen=True)
class SelectionResult:
    """`models` in the order of their folders' numbers; `best` by score, of equal ones that of fewer params.
    `reason`: "completed", or "max_hours" if models were left out or stopped early."""

    folder: Path
    models: list[SelectedModel]
    best: SelectedModel
    reason: str


@torch_as_imported()
def select(
    run: Path | str,
    cells: CellChoice = _BEST,
    *,
    partial: Source | None = None,
    changes: StageChanges = _UNCHANGED,
    name: str | None = None,
    renew: bool = False,
    tell: Listen = nobody,
) -> SelectionResult:
    """Train the best cells of a run longer; called again with equal arguments it goes on where it was.

    Args:
        run: the run's folder.
        cells: which cells, and which networks of each.
        partial: partial configuration (path, preset or mapping) over the run's own; None: the task's preset.
        changes: what differs from both.
        name: a selection beside others, in `model_selection/NAME`.
        renew: a selection that was made from an earlier state of the search gets the cells that are best now
            beside those that it has trained already.

    Raises:
        UserError: no run or nothing trained in it, mistakes in the arguments, another selection there.
        PopnasError: every model failed.
    """
    forks.check("model selection")
    must_be(cells, CellChoice, "`cells`", may_be_none=False)
    must_be(changes, StageChanges, "`changes`", may_be_none=False)
    allowed = None if cells.params is None else macro_variants.parse_params_range(cells.params)
    folder = RunFolder.open(run)
    base = requests.run_config(folder)
    path = requests.stage_folder(folder.model_selection, name)
    partial = requests.selection_partial(base, partial)
    config = _on_this_disk(requests.stage_config(base, partial, changes), tell)
    trackers.check(config.others.trackers)
    if (place := run_data.new_place(changes.sets)) is not None:
        run_data.check_same(folder, place)
    given = None if cells.cell is None else requests.given_cell(cells.cell, base)
    chosen = [given] if given is not None else chosen_cells(folder, cells.number, cells.is_from_front)
    lock = RunLock(folder.restore / f"{SELECTION}{'-' + name if name else ''}.lock")
    with lock, progress.kept(folder.progress_json, SELECTION, tell, advice.for_error) as tell:
        tell(PhaseStarted("loading the data"))
        dataset = training_data.load(config, folder.path)
        ignored = configurations.after_search.warnings(base, config, SELECTION)
        changed = run_data.told_of_changes(folder, config, dataset)
        for warning in [*ignored, *unused(config), *dataset.told, *changed]:
            tell(Warned(warning))
        requests.tell_of_augmentation(base, config, tell)
        request = SelectionRequest(
            cell=None if given is None else given.key,
            num_cells=None if given is not None else cells.number,
            is_from_front=cells.is_from_front,
            params=None if allowed is None else str(allowed),
            has_references=cells.has_references,
            config=search_part(config.to_json()),
        )
        state = folder.state()
        made_from = None if given is not None else search_state.of(state)
        if made_from is not None and not state.is_finished:
            tell(Told(f"Selected from what there is: {search_state.words(made_from)}."))
        stale = staleness(folder.path, path, state)
        if stale is not None and not renew:
            tell(Warned(stale))
        running = _Selection(folder, path, config, dataset, tell)
        return running.run(request, made_from, chosen, allowed, renew=renew and stale is not None)


def _on_this_disk(config: RunConfig, tell: Listen) -> RunConfig:
    here = requests.on_this_disk(config)
    if here is not config:
        tell(
            Warned(
                f"others.executor.kind '{config.others.executor.kind}': its workers do not see this disk, "
                "where models are written while they train. They are trained here, by "
                f"'{here.others.executor.kind}'"
            )
        )
    return here


def chosen_cells(folder: RunFolder, num_cells: int, is_from_front: bool) -> list[Cell]:
    """The run's best cells by score (equal ones in canonical order; the winner of repeated trainings first),
    or those of its front; neither the empty cell nor failed ones are ever among them.

    Raises:
        UserError: no cell was trained, or a number below 1.
    """
    if num_cells < 1:
        raise UserError(f"`num_cells` {num_cells}: at least 1 cell must be selected.")
    state: RunState = folder.state()
    found = trained_front(state) if is_from_front else state.ranked
    cells = [Cell.parse(item.cell) for item in found if Cell.parse(item.cell).blocks]
    if not cells:
        check_constraints(state)
        raise requests.no_network(folder.path)
    return cells[:num_cells]


def read_selection(path: Path) -> list[SelectedModel]:
    """The models of a selection's folder as they are now; empty if there is none."""
    plan = selection_plan.read(path)
    if plan is None:
        return []
    models = [_as_it_is(path, model, plan.request.repetitions) for model in plan.models]
    compared = alike(models)
    return [_summed_up(model, compared, plan.request.validation_size) for model in models]


def names(run: RunFolder) -> list[str]:
    """Those of the selections that have one."""
    return sorted(path.parent.name for path in run.model_selection.glob(f"*/{selection_plan.NAME}"))


def alike(models: Sequence[SelectedModel]) -> set[Repetition]:
    """The trainings that all models have which are trained at all: other folds are other exams, so where the
    time was up, only what all have sat is compared."""
    done = [set(model.repeated) for model in models if model.trained]
    return done[0].intersection(*done) if done else set()


def staleness(run: Path, path: Path, state: RunState) -> str | None:
    """Why a selection no longer stands for its search, and the remedy; None if it does, or there is none."""
    plan = selection_plan.read(path)
    changed = None if plan is None else search_state.change(plan.search, state)
    if changed is None:
        return None
    name = [] if path == RunFolder(run).model_selection else ["--name", path.name]
    return (
        f"the model selection {quoted(path)} is not that of the search as it is now. {changed} To add the "
        "cells that are best now, renew it, with all else as it was asked for: "
        f"{as_typed('select', '-p', run, *name, '--renew')}"
    )


def best_of(models: Sequence[SelectedModel]) -> SelectedModel | None:
    """The best score; of equal ones the one of fewer params, then the first."""
    done = [model for model in models if model.score is not None]
    # Means of equal scores may differ in their last bits.
    return min(done, key=lambda model: (-round(model.score or 0.0, _DIGITS), model.params), default=None)


def digest(models: Sequence[SelectedModel]) -> str:
    """Of which networks a selection has, and the scores of all their trainings: what is chosen from it."""
    found = [
        [model.folder.name, model.cell, [[*astuple(key), done.score] for key, done in sorted(trained)]]
        for model in models
        for trained in [model.repeated.items()]
    ]
    return hashlib.sha256(compact_json(found).encode()).hexdigest()


def _made_of(request: SelectionRequest, models: Sequence[SelectedModel]) -> str:
    """Why so many models are trained, in a sentence."""
    own = [model for model in models if model.reference is None]
    num_cells, num_known = len({model.cell for model in own}), len(models) - len(own)
    if request.cell is not None:
        cells = "the given cell"
    elif request.is_from_front:
        cells = f"{counted(num_cells, 'cell')} of the search's front"
    else:
        cells = f"the {counted(num_cells, 'best cell') if num_cells > 1 else 'best cell'} of the search"
    if request.params is not None:
        each = ", each" if num_cells > 1 else ""
        more = len(own) - num_cells
        cells += f"{each} as it was searched, and " + (
            f"{counted(more, 'wider or deeper network')} of the params asked for"
            if more
            else "no wider or deeper network, for none is of the params asked for"
        )
    known = f", and {counted(num_known, 'known network')} to compare with" if num_known else ""
    return f"{counted(len(models), 'model')} to choose from: {cells}{known}."


class _Selection:
    """One running selection."""

    def __init__(
        self, folder: RunFolder, path: Path, config: RunConfig, dataset: Dataset, tell: Listen
    ) -> None:
        self.folder = folder
        self.path, self.config, self.dataset, self.tell = path, config, dataset, tell
        self.task = tasks.get(config.dataset.type)
        self.missing_views = RepeatedViews(tell)
        self.epochs_heard = EpochsHeard(tell)
        hours = config.others.max_hours
        self.deadline = None if hours is None else time.monotonic() + hours * 3600
        self.repetitions = repetitions.wanted_by(config)
        self.keeps_last = len(self.repetitions) > 1

    def run(
        self,
        request: SelectionRequest,
        made_from: SearchSnapshot | None,
        cells: list[Cell],
        allowed: macro_variants.ParamsRange | None,
        *,
        renew: bool,
    ) -> SelectionResult:
        # The best of many epochs would flatter networks beside a reference that has none.
        self.keeps_last |= request.has_references
        known = selection_plan.read(self.path)
        if known is not None and not known.request.is_same(request):
            raise RunFolderError(
                f"{quoted(self.path)} holds a model selection of other settings. Choose another `name`, or "
                "remove the folder to select anew."
            )
        if known is None or renew:
            kept = () if known is None else self._worth_keeping(known.models)
            planned = self._planned(cells, allowed, kept)
            if request.has_references:
                planned += self._planned_references(planned)
            self._check_fits(planned)
            planned = self._with_epochs(planned)
            selection_plan.write(self.path, SelectionPlan(request, planned, search=made_from))
        models = read_selection(self.path)
        pending = [(model, each) for model in models for each in model.lacking(self.repetitions)]
        if pending:
            self.tell(Told(_made_of(request, models)))
            self.tell(Told(NAMES))
            if words := repetitions.words(self.repetitions):
                self.tell(Told(f"Each is trained on {words}; the mean of the last epochs decides."))
        folders = tuple(each.folder(model.folder) for each in self.repetitions for model in models)
        epochs = [self._epochs_of(model) for _ in self.repetitions for model in models]
        num_epochs = self.config.training_hyperparameters.epochs
        self.tell(TrainingsStarted(folders, num_epochs, seconds_until(self.deadline), tuple(epochs)))
        if pending:
            self._train(pending)
            self.missing_views.tell_counts()
        return self._result()

    def _worth_keeping(self, models: Sequence[PlannedModel]) -> tuple[PlannedModel, ...]:
        """Of an earlier plan what was begun: nothing that was trained is lost."""
        return tuple(model for model in models if (self.path / model.folder).is_dir())

    def _planned(
        self,
        cells: list[Cell],
        allowed: macro_variants.ParamsRange | None,
        kept: tuple[PlannedModel, ...],
    ) -> tuple[PlannedModel, ...]:
        spec = self._spec()
        planned: list[tuple[Cell, Macro]] = []
        for cell in cells:
            planned.append((cell, macro_variants.original(cell, spec)))
            if allowed is not None:
                planned += [(cell, macro) for macro in macro_variants.alternatives(cell, spec, allowed)]
                if (message := macro_variants.nothing_fits(cell, spec, allowed)) is not None:
                    self.tell(Told(message))
        known = [
            (model.cell, model.motifs, model.normal_cells, model.filters)
            for model in kept
            if model.reference is None
        ]
        fresh = [
            (cell, macro)
            for cell, macro in planned
            if (cell.key, macro.motifs, macro.normal_cells, macro.filters) not in known
        ]
        first = 1 + max((model.number for model in kept), default=-1)
        return kept + tuple(
            PlannedModel(
                f"{number}-m{macro.motifs}-n{macro.normal_cells}-f{macro.filters}", cell.key, **asdict(macro)
            )
            for number, (cell, macro) in enumerate(fresh, start=first)
        )

    def _planned_references(self, planned: tuple[PlannedModel, ...]) -> tuple[PlannedModel, ...]:
        """Those that are not planned already, of about as many params as the networks of the best cell."""
        found = [model for model in planned if model.reference is None]
        most = max(model.params for model in found if model.cell == found[0].cell)
        known = {model.reference for model in planned}
        first = 1 + max(model.number for model in planned)
        fresh = [item for item in self.task.references if item.name not in known]
        models = []
        for number, item in enumerate(fresh, start=first):
            cell = Cell.parse(item.cell).canonical()
            spec = self._spec(item.macro)
            if item.is_fitted:
                macro = macro_variants.original(
                    cell, spec.replace(filters=references.kernel_features(spec, len(self.dataset.train)))
                )
            else:
                macro = macro_variants.like(cell, spec, most)
            folder = f"{number}-m{macro.motifs}-n{macro.normal_cells}-f{macro.filters}-{item.name}"
            models.append(
                PlannedModel(folder, cell.key, **asdict(macro), macro=item.macro, reference=item.name)
            )
        return tuple(models)

    def _with_epochs(self, planned: tuple[PlannedModel, ...]) -> tuple[PlannedModel, ...]:
        """Each with epochs of its own, if all are to be trained for equally long; what was begun keeps its
        own."""
        if self.config.others.selection_budget == "epochs":
            return planned
        self.tell(PhaseStarted("probing how long each network's epochs take"))
        networks = [(Cell.parse(model.cell), self._spec_of(model)) for model in planned]
        epochs = equal.epochs_of_each(self.config, self.dataset, networks)
        return tuple(
            model if model.epochs is not None else replace(model, epochs=number)
            for model, number in zip(planned, epochs, strict=True)
        )

    def _epochs_of(self, model: PlannedModel | SelectedModel) -> int:
        return model.epochs or self.config.training_hyperparameters.epochs

    def _check_fits(self, planned: Sequence[PlannedModel]) -> None:
        networks = [(Cell.parse(model.cell), self._spec_of(model)) for model in planned]
        number = len(planned) * len(self.repetitions)
        num_devices = len(placing.devices(self.config)) if self._num_together(number) == number else 1
        for warning in fits.check_training(
            self.config, self.dataset, networks, is_final=False, num_devices=num_devices
        ):
            self.tell(Warned(warning))

    def _spec(self, macro: str | None = None) -> NetworkSpec:
        spec = self.task.network_spec(self.config, self.dataset)
        return spec if macro is None else spec.replace(macro=macro)

    def _spec_of(self, model: PlannedModel | SelectedModel) -> NetworkSpec:
        return self._spec(model.macro).replace(
            motifs=model.motifs, normal_cells_per_motif=model.normal_cells, filters=model.filters
        )

    def _train(self, pending: list[tuple[SelectedModel, Repetition]]) -> None:
        # The dearest first: so no worker is left alone with a long training at the end. All models have a
        # fold behind them before the next begins: if the time is up, they can be compared.
        def order(item: tuple[SelectedModel, Repetition]) -> tuple[Repetition, int, int]:
            model, repetition = item
            turn = 0 if self.deadline is None else self._turn(model, first)
            return repetition, turn, -flops[model.folder]

        first = next((model.cell for model, _ in pending if model.reference is None), None)
        # Once each, however many folds: of random kernels it takes a second.
        cells = {model.folder: (Cell.parse(model.cell), self._spec_of(model)) for model, _ in pending}
        flops = {folder: network_cost(*network).flops for folder, network in cells.items()}
        pending = sorted(pending, key=order)
        num_alone = len(pending) - self._num_together(len(pending))
        batch_size = self.config.dataset.batch_size
        cost = {
            model.folder: self._epochs_of(model) * deadlines.cost(*cells[model.folder], batch_size)
            for model, _ in pending
        }
        costs = [cost[model.folder] for model, _ in pending]
        later = sum(costs[num_alone:]) / len(placing.devices(self.config))
        shares = deadlines.parts(costs[:num_alone], num_workers(self.config), later)
        shares += deadlines.parts(costs[num_alone:], workers=1)
        jobs = [
            (model, self._job(model, repetition, part))
            for (model, repetition), part in zip(pending, shares, strict=True)
        ]
        self._train_alone(jobs[:num_alone])
        for model, job in jobs[num_alone:]:
            if not self._is_time_up():
                self._train_together(model, job)

    def _turn(self, model: SelectedModel, first: str | None) -> int:
        """Where time is limited nobody who decides may come last: known networks that are fitted in seconds,
        then the `first` cell, the best of the search, then the other known networks."""
        fitted = {item.name for item in self.task.references if item.is_fitted}
        if model.reference is not None:
            return 0 if model.reference in fitted else 2
        return 1 if model.cell == first else 3

    def _num_together(self, number: int) -> int:
        """How many of so many trainings have all devices, one after the other: those that would be left over
        once each device has had as many as the others."""
        devices = placing.devices(self.config)
        is_inline = executors.REGISTRY.get(self.config.others.executor.kind).is_in_driver
        return number % len(devices) if len(devices) > 1 and not is_inline else 0

    def _train_alone(self, wanted: Sequence[tuple[SelectedModel, SelectionJob]]) -> None:
        """Each on one device, several at a time."""
        models = {Path(job.folder).name: model for model, job in wanted}
        jobs = [Job(Path(job.folder).name, job.to_json()) for _, job in wanted]
        if not jobs:
            return
        with self._executor(len(jobs)) as executor:
            # The first begins in any case, for a stage is to deliver. What trains when the time is up stops
            # by itself.
            begun: list[str] = []
            for result in executor.run(
                jobs, begun.append, self.epochs_heard, lambda: bool(begun) and self._is_time_up()
            ):
                self._take(models[result.id], result)

    def _train_together(self, model: SelectedModel, wanted: SelectionJob) -> None:
        """On all devices at once, as far as its kind allows."""
        job = wanted.model_job(self.config, None)
        devices = together.devices_for(job, self.dataset)
        if len(devices) == 1:
            return self._train_alone([(model, wanted)])
        result = self._tried_together(job, devices)
        if result.error_kind == "worker_died":  # as executors do it; it goes on from its checkpoint
            result = self._tried_together(job, devices)
        return self._take(model, result)

    def _tried_together(self, job: ModelJob, devices: Sequence[str]) -> Result:
        try:
            return Result(job.folder.name, together.train(job, self.dataset, devices, self.tell).to_json())
        except CandidateFailed as error:
            return Result(job.folder.name, None, str(error), error.kind)

    def _take(self, model: SelectedModel, result: Result) -> None:
        """Keep and tell what became of a training."""
        if result.value is None:
            which = "" if result.id == model.folder.name else f"{result.id}: "
            failure = FailedModel(f"{which}{result.error}", result.error_kind).to_json()
            write_json(model.folder / "failed.json", failure, is_durable=True, is_proven=True)
            self._log_failure(result)
            self.tell(ModelFinished(model.folder, f"failed: {result.error}"))
        else:
            self._tell(TrainedModel.from_json(result.value))
        self._write_table()

    def _log_failure(self, result: Result) -> None:
        what = f"{result.id} failed ({result.error_kind}): {result.error}"
        remedy = advice.for_kinds([result.error_kind])
        logs.failed(self.folder.critical_log, what, result.traceback, remedy)

    def _tell(self, trained: TrainedModel) -> None:
        stopped = ", stopped by max_hours" if trained.stopped else ""
        told = f"validation {_shown(trained.score)} in epoch {trained.best_epoch}{stopped}"
        self.tell(ModelFinished(trained.folder, told))
        self.missing_views.lost(trained.folder, trained.missing_views)
        if trained.warning:
            self.tell(Warned(f"{trained.folder.name} has no ONNX file: {trained.warning}"))

    def _job(self, model: SelectedModel, repetition: Repetition, part: float) -> SelectionJob:
        shape = (model.motifs, model.normal_cells, model.filters, model.macro)
        return SelectionJob(
            str(repetition.folder(model.folder.resolve())),
            model.cell,
            *shape,
            deadline=self.deadline,
            part=part,
            epochs=model.epochs,
            seed=repetition.seed,
            fold=repetition.fold,
            keeps_last=self.keeps_last,
        )

    @contextmanager
    def _executor(self, num_jobs: int) -> Iterator[Executor]:
        settings = self.config.others.executor
        with shared_data.shared(self.config, self.dataset, self.path, self.tell) as shared:
            self.dataset = shared.dataset
            with executors.create(
                settings.kind,
                Work(SETUP, EVALUATE, ModelsSetup(self.config.to_json()).to_json(), shared.place),
                num_workers=min(num_workers(self.config), num_jobs),
                threads=settings.threads,
                devices=placing.devices(self.config),
                log_path=self.folder.debug_log,
            ) as executor:
                yield executor

    def _is_time_up(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _write_table(self) -> None:
        rows = []
        is_repeated = len(self.repetitions) > 1
        for model in read_selection(self.path):
            if model.trained is not None or model.error is not None:
                shape = [model.cell, model.motifs, model.normal_cells, model.filters]
                done = model.trained
                figures = [done.best_epoch, model.score, model.training_seconds] if done else [None] * 3
                interval = None if model.summary is None else model.summary.half
                more = [interval, len(model.repeated)] if is_repeated else []
                rows.append([*shape, *figures, *more])
        header = (*_HEADER, "val_interval", "trainings") if is_repeated else _HEADER
        write_table(self.path / "training_results.csv", header, rows)

    def _compared(self, models: Sequence[SelectedModel]) -> AgainstReferences | None:
        """The best network of the search beside the known ones; None if these were not asked for."""
        found = [model for model in models if model.reference is None]
        best = best_of(found) or found[0]
        known = {item.name: item for item in self.task.references}
        shares = {model.folder: self._shares(model) for model in models}
        most = max((share for each in shares.values() for share in each), default=0.0)

        def compared(model: SelectedModel, title: str, source: str | None = None) -> ComparedNetwork:
            # All share a time limit and hurry through their schedules: cut is who was trained in hardly any
            # epochs, or got far less far than others.
            is_cut = any(
                done.stopped is not None and (share < most / 2 or done.num_epochs < _FEW_EPOCHS)
                for share, done in zip(shares[model.folder], model.repeated.values(), strict=True)
            )
            return _as_compared(model, title, source, is_cut=is_cut)

        beside = [
            compared(model, known[model.reference].title, known[model.reference].source)
            for model in models
            if model.reference is not None
        ]
        if not beside:
            return None
        rival = best_of([model for model in models if model.reference is not None])
        return AgainstReferences(
            self._score_words(),
            compared(best, "the found network"),
            beside,
            is_clear=None if rival is None else self._is_clear(best, rival, alike(models)),
        )

    def _shares(self, model: SelectedModel) -> list[float]:
        """Of its epochs, those that each of its trainings came to."""
        return [done.num_epochs / self._epochs_of(model) for done in model.repeated.values()]

    def _is_clear(
        self, one: SelectedModel, other: SelectedModel, compared: Collection[Repetition]
    ) -> bool | None:
        """Whether the difference of two models in these trainings is larger than its noise: that of folds or
        seeds, or, of one training each, what their validation examples can tell; None: nobody knows."""
        pairs = {
            each: (one.repeated[each].score or 0.0, other.repeated[each].score or 0.0)
            for each in compared
            if each in one.repeated and each in other.repeated
        }
        if not pairs:
            return None
        gaps = {each: score - rival for each, (score, rival) in pairs.items()}
        gap = repetitions.summary(gaps, self.config.dataset.validation_size)
        half, counts_examples = gap.half, self.config.search_strategy.score_metric == "accuracy"
        if len(pairs) == 1 and counts_examples and not self.task.is_per_pixel:
            (scores,) = pairs.values()
            half = share_noise(*scores, len(self.dataset.validation))
        return None if half is None else abs(gap.mean) > half

    def _score_words(self) -> str:
        return metric_title(self.config.search_strategy.score_metric or "score")

    def _scores(self, models: Sequence[SelectedModel]) -> SelectionScores:
        return SelectionScores(
            self._score_words(),
            repetitions.words(self.repetitions),
            [
                ScoredModel(
                    model.folder.name,
                    model.cell,
                    model.params,
                    None if model.summary is None else model.summary.mean,
                    None if model.summary is None else model.summary.half,
                    model.training_seconds,
                    model.reference,
                )
                for model in models
            ],
            is_of_last=self.keeps_last,
        )

    def _result(self) -> SelectionResult:
        self._write_table()
        models = read_selection(self.path)
        self._scores(models).write(self.path)
        if (compared := self._compared(models)) is not None:
            compared.write(self.path)
            self.tell(Told(compared.verdict))
        best = best_of(models)
        if best is None:
            reasons = sorted({model.error for model in models if model.error})
            raise PopnasError(
                f"of {counted(len(models), 'model')} none could be trained. Reasons:\n  "
                + "\n  ".join(reasons or ["max_hours"])
                + f"\nWhat helps:\n{advice.for_kinds(model.error_kind for model in models)}"
                + (
                    f"\nTheir folders are in {quoted(self.path)}; with another `name` other settings can be "
                    "tried."
                )
            )
        lacking = [model for model in models if model.lacking(self.repetitions)]
        is_cut = bool(lacking)
        if without := [model.folder.name for model in lacking if not model.trained]:
            were = f"{counted(len(without), 'model')} of {len(models)} had no time to be trained"
            self.tell(Told(f"{were}: {', '.join(without)}."))
        return SelectionResult(self.path, models, best, "max_hours" if is_cut else "completed")


def _as_it_is(path: Path, planned: PlannedModel, wanted: Sequence[Repetition]) -> SelectedModel:
    folder = ModelFolder(path / planned.folder)
    identity.check_place(folder.path)
    failed, failure = folder.path / "failed.json", FailedModel()
    if is_there(failed):
        remedy = "remove it, and popnas select trains it again"
        failure = read_record(failed, FailedModel, must=_FAILURE, remedy=remedy)
    places = {each: ModelFolder(each.folder(folder.path)) for each in wanted}
    repeated = {each: read_trained(place) for each, place in places.items() if is_there(place.model_json)}
    if failure.error is not None:
        repeated = {}  # read all the same: what is damaged is told
    return SelectedModel(
        **{**asdict(planned), "folder": folder.path},
        trained=repeated.get(FIRST),
        repeated=repeated,
        error=failure.error,
        error_kind=failure.error_kind,
    )


def _summed_up(
    model: SelectedModel, alike: Collection[Repetition], validation_size: float | None
) -> SelectedModel:
    """With the summary of its scores in those trainings; as it is where one has none."""
    scores = {each: model.repeated[each].score for each in alike} if model.trained else {}
    known = {each: score for each, score in scores.items() if score is not None}
    if not known or len(known) < len(scores):
        return model
    return replace(model, summary=repetitions.summary(known, validation_size))


def _shown(score: float | None) -> str:
    return "unknown" if score is None else f"{score:.4f}"


_FEW_EPOCHS = 5


def _as_compared(model: SelectedModel, title: str, source: str | None, *, is_cut: bool) -> ComparedNetwork:
    half = None if model.summary is None else model.summary.half
    return ComparedNetwork(
        *(title, model.folder.name, model.cell, model.params, model.score),
        model.training_seconds,
        source,
        half,
        is_cut=is_cut,
    )


# --- in a worker
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SelectionJob(Record):
    """What a worker is told of one model (see `ModelJob`); all else is the selection's configuration.
    `part`: of what is left until the deadline when it begins, what it may take."""

    folder: str
    cell: str
    motifs: int
    normal_cells: int
    filters: int
    macro: str | None
    deadline: float | None
    part: float = 1.0
    epochs: int | None = None
    seed: int = 0
    fold: int = 0
    keeps_last: bool = False

    def model_job(self, config: RunConfig, device: str | None) -> ModelJob:
        """The same with the selection's configuration, on a device."""
        if self.epochs is not None:
            config = requests.with_epochs(config, self.epochs)
        return ModelJob(
            *(Path(self.folder), self.cell),
            requests.with_macro(config, self.motifs, self.normal_cells, self.filters, self.macro),
            SELECTION,
            deadline=deadlines.until(self.deadline, self.part),
            device=device,
            repetition=Repetition(self.seed, self.fold),
            keeps_last=self.keeps_last,
        )


def evaluate(context: ModelsContext, payload: Json) -> Json:
    """Train one model: a `SelectionJob` as JSON -> a `TrainedModel` as JSON."""
    job = SelectionJob.from_json(payload).model_job(context.config, context.device)
    return train_and_tell(job, context.dataset)
