"""What one candidate goes through in a worker: build, train, measure, write its small files, answer with an
Evaluation.

`setup` and `evaluate` are handed to executors by their dotted names and speak JSON only.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from popnas import config, networks, tasks, training
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset, Fold
from popnas.errors import CandidateFailed
from popnas.evaluation import CandidateJob, Measured
from popnas.executors import Worker
from popnas.networks.cost import network_cost
from popnas.operators import Cost
from popnas.training import TrainingResult, TrainingSettings, device, simulated
from popnas.training.failures import memory_errors_named
from popnas.workflows.searching import candidate_files
from popnas.workflows.searching.candidate_context import CandidateContext


def setup(payload: dict[str, Any], worker: Worker) -> CandidateContext:
    """Load the data; `payload` is {"config": a resolved configuration, "folder": path}."""
    run_config = config.load(payload["config"])
    dataset = tasks.get(run_config.dataset.type).load(run_config)
    return context(run_config, dataset, Path(payload["folder"]), worker.device)


def context(run_config: RunConfig, dataset: Dataset, folder: Path, device_name: str) -> CandidateContext:
    """What the candidates of one worker share, with the data loaded."""
    task = tasks.get(run_config.dataset.type)
    spec = task.network_spec(run_config, dataset)
    place = torch.device(device_name)
    return CandidateContext(
        config=run_config,
        task=task,
        dataset=dataset,
        spec=spec,
        settings=TrainingSettings.from_config(run_config),
        device=place,
        memory_format=device.memory_format(place, spec.num_dims, spec.filters),
        folder=folder,
    )


def evaluate(context: CandidateContext, payload: dict[str, Any]) -> dict[str, Any]:
    """Train and measure one candidate: a `CandidateJob` as JSON -> a `Measured` as JSON.

    Raises:
        StorageError: its files cannot be written, which says nothing about the candidate.
    """
    return measure(context, CandidateJob.from_json(payload)).to_json()


def measure(context: CandidateContext, job: CandidateJob) -> Measured:
    """Train and measure one candidate. One that fails (NaN loss, out of memory, time limit) is an answer too.

    Raises:
        StorageError: likewise.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    cell = Cell.parse(job.cell)
    cost = network_cost(cell, context.spec)
    figures = Measured(params=cost.params, flops=cost.flops)
    volatile: dict[str, float | str] = {"device": str(context.device)}

    def spent() -> dict[str, float | str]:
        return {
            "wall_seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu_started,
        }

    try:
        # Memory may run out in building and in timing too, not only in training.
        with memory_errors_named(context.device):
            results = [_train(context, cell, job.seed, fold, cost) for fold in context.dataset.folds]
            seconds = inference_seconds(context, results[0][0], cost)
    except CandidateFailed as failure:
        volatile |= spent()
        return replace(figures, error=str(failure), error_kind=failure.kind, volatile=volatile)
    folds = [result for _, result in results]
    figures = replace(_means(figures, folds, context.settings.score_metric), inference_seconds=seconds)
    missing = () if job.repetition else _leave_files(context, job, figures, results)
    volatile |= spent()
    volatile["epochs_seconds"] = sum(result.training_seconds for result in folds)
    volatile["validation_seconds"] = sum(
        epoch.validation_seconds for result in folds for epoch in result.epochs
    )
    return replace(figures, missing_views=missing, volatile=volatile)


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
) -> tuple[str, ...]:
    """Write the candidate's files; sentences about the views that could not be made."""
    folds = [result for _, result in results]
    network = results[0][0]
    assert figures.score is not None
    # The empty cell is never the best model. Ties are kept: the order of completion must not decide among
    # them.
    if network.cell.blocks and figures.score >= (job.keeps_weights_from or 0.0):
        best = max(folds, key=lambda result: result.metrics[context.settings.score_metric])
        candidate_files.save_weights(context.folder, job.cell, best.best_state)
    return tuple(candidate_files.write(context, job, network, folds))


def _train(
    context: CandidateContext, cell: Cell, seed: int, fold: Fold, cost: Cost
) -> tuple[networks.Network, TrainingResult]:
    torch.manual_seed(seed)
    network = networks.build(cell, context.spec)
    config, dataset, task = context.config, context.dataset, context.task
    placed: dict[str, Any] = {"device": context.device, "memory_format": context.memory_format}
    result = training.fit(
        network,
        task.train_loader(config, dataset, fold.train, seed=seed, **placed),
        task.evaluation_loader(config, dataset, fold.validation, **placed),
        task.loss(config, dataset),
        lambda: task.metrics(dataset.num_classes),
        context.settings,
        seed=seed,
        timing=config.others.timing,
        cost=cost,
        max_seconds=config.others.max_candidate_seconds,
        **placed,
    )
    return network, result


def inference_seconds(context: CandidateContext, network: networks.Network, cost: Cost) -> float:
    """Seconds of a forward pass of a trained network, as the run's timing has them."""
    batch_size = context.config.dataset.inference_batch_size
    if context.config.others.timing == "simulated":
        return simulated.inference_seconds(cost.flops, cost.params, batch_size)
    return training.inference_seconds(
        network,
        context.spec.input_shape,
        batch_size,
        context.device,
        memory_format=context.memory_format,
        autocast=device.precision(context.device, context.settings.has_mixed_precision),
        has_lengths=context.spec.has_lengths,
    )


def _mean_metrics(metrics: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([fold[name] for fold in metrics])) for name in metrics[0]}


def _mean_head_metrics(folds: list[TrainingResult]) -> list[dict[str, float]]:
    """Per head, the best of each metric over epochs, as the mean over folds."""
    heads = zip(*(result.head_metrics for result in folds), strict=True)
    return [_mean_metrics(list(head)) for head in heads]
