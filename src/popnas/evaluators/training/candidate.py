"""What one candidate goes through in a worker: build, train, measure, write its small files, answer with an
Evaluation.

`setup` and `evaluate` are handed to executors by their dotted names and speak JSON only.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from popnas import config, executors, networks, objectives, resources, tasks, training
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.errors import CandidateFailed
from popnas.evaluation import CandidateJob, Curve, Measured
from popnas.evaluators._base import WorkerSetup
from popnas.evaluators.training import candidate_files, fits, shared_data
from popnas.evaluators.training.context import CandidateContext
from popnas.evaluators.training.placing import placement
from popnas.executors import Progress, Worker
from popnas.networks.cost import network_cost
from popnas.operators import Cost
from popnas.placement import Placement
from popnas.process_state import torch_in_turn
from popnas.records import Json
from popnas.runs import artifacts
from popnas.runs.artifacts import Artifacts
from popnas.training import EpochRecord, TrainingResult, clocks, simulated
from popnas.training.accelerated.turns import DeviceTurns
from popnas.training.failures import memory_errors_named, release
from popnas.training.interfaces import Snapshot

_LOG = logging.getLogger("popnas.training")

Answer = TypeVar("Answer", Measured, Curve)


@dataclass(frozen=True)
class CandidateSetup(WorkerSetup):
    """What a worker that trains is told; `judges_memory`: candidates may outgrow the memory at hand;
    `num_sharing`: so many workers compute on its device, in whose work its own times are not to go."""

    judges_memory: bool
    num_sharing: int = 1


def setup(payload: Json, worker: Worker) -> CandidateContext:
    """Get the data; `payload` is a `CandidateSetup`."""
    told = CandidateSetup.from_json(payload)
    run_config = config.load(told.config)
    dataset = shared_data.of_worker(run_config, worker.folder)
    spec = tasks.get(run_config.dataset.type).network_spec(run_config, dataset)
    place = placement(run_config, spec, worker.device, Path(told.artifacts) if told.artifacts else None)
    # What earlier candidates left in the process is used again: the room is what there is before the first.
    room = fits.Room.of(run_config, dataset, is_here=True, on=place.device) if told.judges_memory else None
    turns = DeviceTurns.on(place.device) if told.num_sharing > 1 else None
    machine = _machine(run_config, place, turns)
    places = (told.artifacts, told.run)
    shared = (told.num_sharing, turns)
    return CandidateContext(run_config, dataset, spec, place, *places, room, *shared, machine, worker.folder)


def _machine(run_config: RunConfig, place: Placement, turns: DeviceTurns | None) -> dict[str, float | str]:
    """Its kind, and how fast it is where times are measured; nothing where all workers are on this one."""
    others = run_config.others
    if executors.REGISTRY.get(others.executor.kind).shares_disk:
        return {}
    is_gpu = place.device.type == "cuda"
    kind = torch.cuda.get_device_name(place.device) if is_gpu else resources.processor()
    if others.timing == "simulated":
        return {"machine": kind}
    with ExitStack() as stack:
        stack.enter_context(torch_in_turn(others.executor.threads))
        if turns is not None:  # others compute on the device
            stack.enter_context(turns.taking_part())
            stack.enter_context(turns.alone())
        return {"machine": kind, "machine_seconds": clocks.probe_seconds(place)}


def evaluate(context: CandidateContext, payload: Json) -> Json:
    """Train and measure one candidate: a `CandidateJob` as JSON -> a `Measured` as JSON.

    Raises:
        StorageError: its files cannot be written, which says nothing about the candidate.
    """
    with artifacts.opened(context.artifacts, context.folder) as files:
        job = CandidateJob.from_json(payload)
        measured = with_memory(context, job, lambda: measure(context, job, files))
        return replace(measured, files=files.carried()).to_json()


def with_memory(context: CandidateContext, job: CandidateJob, attempt: Callable[[], Answer]) -> Answer:
    """What `attempt`, which trains the job's cell, answers. Where others share the device, each gives back
    what it does not use any more, and one for which they left too little memory is tried again with all of
    it: alone it may fit.

    Raises:
        DeviceFilledError: processes of others fill the device, which has no memory for a network that fits.
    """
    with context.having_memory():
        answer = attempt()
        if context.shares_device or _is_out_of_memory(answer):  # by now nothing refers to its tensors
            release(context.placement.device)
        if not context.shares_device:
            _check_others(context, job, answer)
    if not (context.shares_device and _is_out_of_memory(answer) and _may_fit(context, Cell.parse(job.cell))):
        return answer
    _LOG.info("%s ran out of memory beside others, and is tried again without them.", job.cell)
    with context.having_memory(all_of_it=True):
        answer = attempt()
        release(context.placement.device)
        _check_others(context, job, answer)
    return answer


def _check_others(context: CandidateContext, job: CandidateJob, answer: Measured | Curve) -> None:
    """While no neighbour has a network on the device: else theirs would count."""
    if _is_out_of_memory(answer) and context.placement.device.type == "cuda":
        network = Cell.parse(job.cell), context.spec
        shared = context.placement.device, context.num_sharing
        fits.check_not_filled_by_others(context.config, context.dataset, network, *shared)


def _is_out_of_memory(answer: Measured | Curve) -> bool:
    return answer.error_kind == "out_of_memory"


def _may_fit(context: CandidateContext, cell: Cell) -> bool:
    """Whether it is not refused before it is built: that would be so alone, too."""
    try:
        _check_fits(context, cell)
    except CandidateFailed:
        return False
    return True


def _check_fits(context: CandidateContext, cell: Cell) -> None:
    if context.room is not None:
        fits.check_candidate(context.room, context.config, context.dataset, (cell, context.spec))


def measure(context: CandidateContext, job: CandidateJob, files: Artifacts) -> Measured:
    """Train and measure one candidate. One that fails (NaN loss, out of memory, time limit) is an answer too.

    Raises:
        StorageError: likewise.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    cell = Cell.parse(job.cell)
    cost = network_cost(cell, context.spec)
    figures = Measured(params=cost.params, flops=cost.flops)
    volatile: dict[str, float | str] = {"device": str(context.placement.device), **context.machine}

    def spent() -> dict[str, float | str]:
        return {
            "wall_seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu_started,
        }

    failed: Measured | None = None
    try:
        # Memory may run out in building and in timing too, not only in training.
        with memory_errors_named(context.placement.device):
            results = trained(context, cell, job.seed, cost)
            seconds = inference_seconds(context, results[0][0], cost)
            others = other_figures(context, results[0][0])
    except CandidateFailed as failure:
        failed = replace(figures, error=str(failure), error_kind=failure.kind)
    if failed is not None:
        return replace(failed, volatile=volatile | spent())
    folds = [result for _, result in results]
    figures = replace(
        _means(figures, folds, context.settings.score_metric), inference_seconds=seconds, objectives=others
    )
    missing = () if job.repetition else _leave_files(context, job, figures, results, files)
    volatile |= spent()
    volatile["epochs_seconds"] = sum(result.training_seconds for result in folds)
    volatile["validation_seconds"] = sum(
        epoch.validation_seconds for result in folds for epoch in result.epochs
    )
    return replace(figures, missing_views=missing, volatile=volatile)


def trained(
    context: CandidateContext, cell: Cell, seed: int, cost: Cost
) -> list[tuple[networks.Network, TrainingResult]]:
    """The cell's network, trained on every fold.

    Raises:
        CandidateFailed: it cannot be, or could not.
    """
    _check_fits(context, cell)
    began, folds = time.monotonic(), range(len(context.dataset.folds))
    with context.taking_part():
        return [_train(context, cell, seed, number, cost, began) for number in folds]


def _means(figures: Measured, folds: list[TrainingResult], score_metric: str) -> Measured:
    """What the folds came to on average."""
    metrics = _mean_metrics([result.metrics for result in folds])
    return replace(
        figures,
        metrics=metrics,
        score=metrics[score_metric],
        training_seconds=float(np.mean([result.training_seconds for result in folds])),
        head_metrics=_mean_head_metrics(folds),
    )


def _leave_files(
    context: CandidateContext,
    job: CandidateJob,
    figures: Measured,
    results: list[tuple[networks.Network, TrainingResult]],
    files: Artifacts,
) -> tuple[str, ...]:
    """Write the candidate's files; sentences about the views that could not be made."""
    folds = [result for _, result in results]
    network = results[0][0]
    assert figures.score is not None
    # The empty cell is never the best model. Ties are kept: the order of completion must not decide among
    # them.
    if network.cell.blocks and figures.score >= (job.keeps_weights_from or 0.0):
        best = max(folds, key=lambda result: result.metrics[context.settings.score_metric])
        candidate_files.save_weights(files, job.cell, best.best_state)
    folder = files.place(artifacts.of_candidate(job.step, job.index))
    return tuple(map(files.named, candidate_files.write(context, job, network, folds, folder)))


def _train(
    context: CandidateContext, cell: Cell, seed: int, number: int, cost: Cost, began: float
) -> tuple[networks.Network, TrainingResult]:
    """Train on the fold of that number; `began` (`time.monotonic()`): the first one, as the limit is that of
    all together."""
    fold, num_epochs = context.dataset.folds[number], context.settings.epochs
    finished = itertools.count(number * num_epochs + 1)

    def on_epoch(record: EpochRecord, snapshot: Snapshot) -> bool:
        executors.tell(Progress(next(finished), num_epochs * len(context.dataset.folds)))
        return False

    torch.manual_seed(seed)
    network = networks.build(cell, context.spec)
    config, dataset, task = context.config, context.dataset, context.task
    place, others = context.placement, config.others
    result = training.fit(
        network,
        task.train_loader(config, dataset, fold.train, place, seed=seed),
        task.evaluation_loader(config, dataset, fold.validation, place),
        context.criteria,
        context.settings,
        place,
        training.Course(
            seed,
            simulated_cost=cost if others.timing == "simulated" else None,
            max_seconds=others.max_candidate_seconds,
            spent_seconds=time.monotonic() - began,
            on_epoch=on_epoch,
            turns=context.timed_in_turn,
        ),
    )
    return network, result


def inference_seconds(context: CandidateContext, network: networks.Network, cost: Cost) -> float:
    """Seconds of a forward pass of a trained network, as the run's timing has them."""
    batch_size = context.config.dataset.inference_batch_size
    if context.config.others.timing == "simulated":
        return simulated.inference_seconds(cost.flops, cost.params, batch_size)
    with context.alone():
        return training.inference_seconds(
            network,
            context.spec.input_shape,
            batch_size,
            context.placement,
            has_lengths=context.spec.has_lengths,
        )


def other_figures(context: CandidateContext, network: networks.Network) -> dict[str, float]:
    """What objectives that another package brought give for a trained network, by name.

    Raises:
        PopnasError: one gave no number.
    """
    found, space = {}, context.config.space
    for row in objectives.others(context.config.wanted_objectives):
        if row.is_computed:
            cells_1B4 = space.encode([network.cell])
            found[row.name] = float(row.computed(cells_1B4, space, context.spec)[0])
        else:
            with context.alone():
                found[row.name] = row.measured(network, context.spec, context.placement)
    return found


def _mean_metrics(metrics: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([fold[name] for fold in metrics])) for name in metrics[0]}


def _mean_head_metrics(folds: list[TrainingResult]) -> list[dict[str, float]]:
    """Per head, the best of each metric over epochs, as the mean over folds."""
    heads = zip(*(result.head_metrics for result in folds), strict=True)
    return [_mean_metrics(list(head)) for head in heads]
