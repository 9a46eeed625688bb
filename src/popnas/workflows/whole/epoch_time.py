"""How long an epoch takes after the search: from a training's log, or probed where that says too little."""

from __future__ import annotations

import statistics
import time

from popnas import tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.evaluators.training import probing
from popnas.evaluators.training.context import TrainingContext
from popnas.evaluators.training.placing import placement
from popnas.process_state import torch_in_turn
from popnas.workflows.models.folder import TrainingLog


def logged(log: TrainingLog) -> float | None:
    """The median epoch of a `training.json`; None if it has fewer than two beside the first, which takes
    longer: it starts threads and plans convolutions."""
    seconds = log.epoch_seconds[1:]
    return statistics.median(seconds) if len(seconds) > 1 else None


def probed(config: RunConfig, dataset: Dataset, cell: Cell) -> float:
    """Seconds a sample that training a cell's post-search network takes here."""
    spec = tasks.get(config.dataset.type).network_spec(config, dataset).replace(is_post_search=True)
    context = TrainingContext(config, dataset, spec, placement(config, spec))
    few, validation = probing.few_samples(context, cell)
    with torch_in_turn(config.others.executor.threads):
        splits = (few, validation.take(slice(0, 1)))
        result, _ = probing.probe_epochs(context, cell, splits, time.perf_counter)
    records = result.epochs[1:] or result.epochs
    return statistics.median(record.training_seconds for record in records) / len(few)
