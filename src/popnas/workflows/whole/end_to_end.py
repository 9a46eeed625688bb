"""The whole job: search, model selection, final training, evaluation, within one time limit, whoever asks.

Who runs the stages is handed in: a process each (`stage_processes`), or this one (`stages`). `e2e.json` in
the run's folder (`state`) exists from the first moment of the folder on, so the job can be resumed at any
point.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from popnas import config as configurations
from popnas import executors, tasks
from popnas.cells import Cell
from popnas.command_lines import as_typed
from popnas.config import RunConfig, Source
from popnas.datasets import Dataset
from popnas.errors import UserError
from popnas.evaluators.training import describing, fits, placing
from popnas.evaluators.training.placing import num_workers
from popnas.events import Listen, PhaseStarted, Warned, nobody
from popnas.export.model_values import ModelDescription
from popnas.networks.cost import network_cost
from popnas.printable import quoted
from popnas.report.sections import ensembles, references
from popnas.report.sections.ensembles import EnsemblePlan
from popnas.runs import RunFolder
from popnas.runs.folder import RunExistsError, create_run, place_of_run
from popnas.runs.stored.job_clock import StepAhead
from popnas.workflows.models import deployment, macro_variants, requests
from popnas.workflows.models.choices import CellChoice, StageChanges, check_ensemble
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.stored import repetitions
from popnas.workflows.searching import plan
from popnas.workflows.searching.plan import Plan
from popnas.workflows.searching.search import environment
from popnas.workflows.settings import load_config, name_rules, unused
from popnas.workflows.whole import budget, costs
from popnas.workflows.whole.costs import Expectation, StageCost, Startup
from popnas.workflows.whole.fitting import crops, fit_search
from popnas.workflows.whole.job import WholeJob
from popnas.workflows.whole.request import JobRequest
from popnas.workflows.whole.stage_processes import ChildStages
from popnas.workflows.whole.stages import Stages
from popnas.workflows.whole.state import JobState

_FIT = "fit the whole job into max_hours"
_MOST_BUSY = 4.0
"""What a machine that was busy for a moment may add to what is expected of hours."""
_USUAL, _CHILDREN = JobRequest(), ChildStages()


@dataclass(frozen=True)
class EndToEndResult:
    """`folder`: the run; `model`: the final model's folder; `deployed`: the description of its deployment,
    with the accuracy of the exported file; `cuts`: what was cut to keep `max_hours`, in words; `verdict`:
    whether the found network beats the known ones, likewise; `ensemble`: what is delivered, if an ensemble
    was asked for."""

    folder: Path
    model: Path
    deployed: ModelDescription
    cuts: list[str]
    seconds: float
    verdict: str | None = None
    ensemble: EnsemblePlan | None = None

    @classmethod
    def of(cls, job: WholeJob) -> EndToEndResult:
        """Of a job that is done.

        Raises:
            RunFolderError: the deployment's description cannot be read.
        """
        model = ModelFolder(job.folder.final_training)
        deployed = ModelFolder(model.deploy).description()
        compared = references.read(job.folder.model_selection)
        seconds = job.state.finished[job.state.last]
        verdict = None if compared is None else compared.verdict
        plan = ensembles.read(model.path)
        return cls(job.path, model.path, deployed, job.state.cuts, seconds, verdict, plan)


def end_to_end(
    source: Source,
    request: JobRequest = _USUAL,
    stages: Stages = _CHILDREN,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    tell: Listen = nobody,
    began: float | None = None,
) -> EndToEndResult:
    """Search, select, train and evaluate; see `start`.

    Raises:
        UserError: as `start`.
        PopnasError: a stage failed.
    """
    job = start(source, request, stages, name=name, logs=logs, tell=tell, began=began)
    job.run()
    return EndToEndResult.of(job)


def resume(
    path: Path | str, stages: Stages = _CHILDREN, *, tell: Listen = nobody, began: float | None = None
) -> EndToEndResult:
    """Go on with an interrupted job; a finished one is only read. `began`: as for `start`.

    Raises:
        UserError: no such job there.
        PopnasError: a stage failed.
    """
    began = time.monotonic() if began is None else began
    job = WholeJob(RunFolder.open(path), stages, tell, began)
    job.run()
    return EndToEndResult.of(job)


def start(
    source: Source,
    request: JobRequest,
    stages: Stages,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    tell: Listen = nobody,
    began: float | None = None,
) -> WholeJob:
    """A job whose folder is there, and of which nothing is done yet. `others.max_hours` of the configuration
    is for all stages together, from `began` on (`time.monotonic()`; default now: a program's imports take
    seconds, too).

    Raises:
        UserError: mistakes in any of the configurations or in the data; no folder is made then.
    """
    began = time.monotonic() if began is None else began
    config = source if isinstance(source, RunConfig) else load_config(source)
    check_ensemble(request.ensemble, request.max_params)
    if request.params is not None:
        macro_variants.parse_params_range(request.params)
    configs = _later_configs(config, request)
    path = place_of_run(logs, name)
    if name is not None and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunExistsError(
            f"{quoted(path)} exists already. Go on with it (`{as_typed('e2e', '-r', path)}`), or choose "
            "another `name`."
        )
    requests.check_has_networks(config)
    ready = time.monotonic()
    dataset = deployment.load_with_test(config)
    startup = Startup(ready - began, time.monotonic() - ready)
    told = [*unused(config), *dataset.told]
    for warning in told:
        tell(Warned(warning))
    for each in configs.values():
        fits.check_time(each, dataset, num_trainings=1)
    fits.check_search(config, dataset)
    _check_max_params(configs.get("training"), dataset, request)
    state = JobState(
        num_cells=CellChoice(request.num_cells).number,
        params=request.params,
        batch_size=request.batch_size,
        last=request.last,
        ensemble=request.ensemble,
        max_params=request.max_params,
        max_hours=config.others.max_hours,
        configs={stage: found.to_json() for stage, found in configs.items()},
    )
    if stages.are_here:
        placing.check_trains(config)
    if state.max_hours is not None or stages.tells_time_left:
        config = _forecast(config, configs, dataset, startup, state, tell)
    state.spent_seconds = time.monotonic() - began
    folder = create_run(logs, name, lambda free: _create(free, config, state))
    return WholeJob(folder, stages, tell, time.monotonic(), told)


def _later_configs(config: RunConfig, request: JobRequest) -> dict[str, RunConfig]:
    """The configuration of each stage after the search, before a batch size of its own.

    Raises:
        ConfigError, UserError: mistakes in a partial configuration.
    """
    partials = {
        "selection": requests.selection_partial(config, request.selection_partial),
        "training": requests.training_partial(config, request.training_partial),
    }
    merged = {}
    for stage, partial in partials.items():
        if stage in request.stages:
            requests.stage_config(config, partial, StageChanges(request.batch_size))  # for its mistakes
            base = requests.without_limit(config)
            merged[stage] = configurations.merge(base, partial, names=name_rules())
    return merged


def _check_max_params(config: RunConfig | None, dataset: Dataset, request: JobRequest) -> None:
    """Raises UserError if the cheapest cell of one block, in the narrowest macro-architecture that is tried,
    has more params than are allowed: nothing would do that is found."""
    if config is None or request.max_params is None:
        return
    spec = describing.one_head(tasks.get(config.dataset.type).network_spec(config, dataset))
    if request.params is not None:
        factor = min(macro_variants.FILTER_FACTORS)
        spec = spec.replace(filters=max(int(spec.filters * factor), 1))
    cells = [Cell.parse(f"[(-1, {name}, -1, {name})]") for name in config.search_space.operators]
    least = min(network_cost(cell, spec).params for cell in cells)
    if request.max_params < least:
        raise UserError(
            f"`max_params` {request.max_params:,}: the smallest network of this search has {least:,} params. "
            "Allow more, or make them smaller with architecture_hyperparameters.filters or motifs."
        )


def _create(path: Path, config: RunConfig, state: JobState) -> RunFolder:
    """The run's folder with the job's state in it, both or neither."""
    return RunFolder.create(path, config.to_json(), volatile=environment(), fill=state.write)


def _forecast(
    config: RunConfig,
    configs: dict[str, RunConfig],
    dataset: Dataset,
    startup: Startup,
    state: JobState,
    tell: Listen,
) -> RunConfig:
    """The search's configuration, cut where the job has a limit; the job's state gets what the stages are
    expected to take, and what was cut."""
    why = "tell how long the whole job takes" if state.max_hours is None else _FIT
    tell(PhaseStarted(f"probing this machine, to {why}"))
    planner = plan.Planner(hands_on=True)
    planned, busy = _planned(planner, config, tell)
    later = _later_costs(planned, configs, dataset, startup, state)
    if state.max_hours is not None:
        config, planned = _fitting(planner, planned, config, later, state)
    state.workers_per_gpu = planned.workers_per_gpu
    config, fraction = _cut_search(planned, config, later, state)
    searched = _expected(planned, config, startup, fraction).slower(busy)
    state.expected = searched.with_stages(later)
    return config


def _planned(planner: plan.Planner, config: RunConfig, tell: Listen) -> tuple[Plan, float]:
    """The search's plan, and how much longer all takes because of other work on this machine: probes on one
    thread of a CPU are timed without it."""
    wall, cpu = time.monotonic(), time.thread_time()
    planned = planner.plan(config, tell)
    wall, cpu = time.monotonic() - wall, time.thread_time() - cpu
    is_cpu_time = planned.device == executors.CPU and config.others.executor.threads == 1
    return planned, min(max(wall / max(cpu, 1e-9), 1.0), _MOST_BUSY) if is_cpu_time else 1.0


def _later_costs(
    planned: Plan,
    configs: dict[str, RunConfig],
    dataset: Dataset,
    startup: Startup,
    state: JobState,
) -> dict[str, StageCost]:
    """What the stages after the search are expected to take, by probes of what may come out of it."""
    found = {}
    for stage, stored in configs.items():
        config = requests.as_trained(stored, state.batch_size)
        networks = costs.planned_networks(planned, config, dataset, state.num_cells, state.params)
        if stage == "selection":
            epoch = networks.selection_epoch(num_workers(config), len(repetitions.wanted_by(config)))
            found[stage] = startup.selection(config, costs.epochs_of(config, epoch), len(networks.epochs))
        else:
            members = state.ensemble or 1
            found[stage] = startup.training(members * costs.epochs_of(config, networks.training_epoch))
    if "evaluation" in state.stages:
        found["evaluation"] = startup.evaluation()
    return found


def _fitting(
    planner: plan.Planner,
    planned: Plan,
    config: RunConfig,
    later: Mapping[str, StageCost],
    state: JobState,
) -> tuple[RunConfig, Plan]:
    """The search's configuration and plan where fewer children would do; else cut further (`fitting`), as a
    search that its share ends in its first steps has found nothing. Crops are cut before children."""
    share, _ = _shares(planned, config, later, state)
    children = config.search_strategy.max_children
    fewest = budget.cut_steps(_steps(planned), 1 / children)
    room = share.seconds - budget.STAGE_OVERHEAD
    if budget.MARGIN * sum(fewest) <= room and not crops(config):
        return config, planned
    fitted = fit_search(config, max(room, 1.0) / 3600, planner=planner, planned=planned)
    if fitted.changes:
        cut = ", ".join(f"{name} {_now(config, name)} -> {value}" for name, value in fitted.changes.items())
        state.cuts.append(f"search: {cut}")
    return configurations.changed(config, dict(fitted.changes)), fitted.planned or planned


def _now(config: RunConfig, place: str) -> object:
    """The value of a field, "all" where nothing limits it."""
    value: object = config
    for name in place.split("."):
        value = getattr(value, name)
    return "all" if value is None else value


def _steps(planned: Plan) -> list[budget.StepCost]:
    return [budget.StepCost(step.num_networks, step.most_seconds) for step in planned.steps]


def _shares(
    planned: Plan, config: RunConfig, later: Mapping[str, StageCost], state: JobState
) -> tuple[budget.SearchShare, float]:
    """The search's part of the limit, and its seconds with confirmations: these are as many whatever the
    children are, and get time as far as no later stage wants it."""
    assert state.max_hours is not None
    total = state.max_hours * 3600
    wanted = sum(budget.MARGIN * later[stage].trainings + budget.STAGE_OVERHEAD for stage in state.configs)
    confirmed = budget.MARGIN * planned.confirmation_seconds
    share = budget.search_share(
        total,
        wanted + confirmed,
        _steps(planned),
        config.search_strategy.max_children,
        config.search_strategy.max_exploration_children,
    )
    return share, max(share.seconds, min(share.seconds + confirmed, total - wanted))


def _cut_search(
    planned: Plan, config: RunConfig, later: Mapping[str, StageCost], state: JobState
) -> tuple[RunConfig, float]:
    """The search's configuration with as many children as fit into its share of a limit, and which fraction
    these are; the share goes into the job's state."""
    if state.max_hours is None:
        return config, 1.0
    children = config.search_strategy.max_children
    share, state.search_seconds = _shares(planned, config, later, state)
    state.cuts += [share.cut] if share.cut else []
    changes = {"others.max_hours": state.search_seconds / 3600}
    return configurations.changed(share.cut_search(config), changes), share.max_children / children


def _expected(planned: Plan, config: RunConfig, startup: Startup, fraction: float) -> Expectation:
    """What the search is expected to take, with this fraction of the children that were planned."""
    costs = [budget.StepCost(step.num_networks, budget.MARGIN * step.seconds) for step in planned.steps]
    steps = tuple(
        StepAhead(step.step, budget.MARGIN * step.candidate_seconds(planned.num_workers), seconds)
        for step, seconds in zip(planned.steps, budget.cut_steps(costs, fraction), strict=True)
    )
    confirmations = planned.confirmation_seconds
    search = startup.search(config, planned, sum(item.seconds for item in steps) + confirmations)
    best = budget.MARGIN * planned.typical_seconds
    return Expectation({"search": search}, steps, planned.once_share, confirmations, best)
