"""What a search will cost, before anything is trained for good: cells, networks, params, time, memory.

The time comes from a probe: a few random cells are trained on a few batches, and a line (seconds per sample
against FLOPs) through what that took gives the time of all others.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from popnas import executors, networks, tasks, training
from popnas.cells import Cell, SearchSpace
from popnas.config import RunConfig
from popnas.datasets import Dataset, Split
from popnas.executors.inline import torch_threads
from popnas.networks.cost import bulk_costs
from popnas.networks.spec import NetworkSpec
from popnas.seeds import derive_seed
from popnas.training import TrainingSettings, device
from popnas.workflows.settings import max_networks

_NUM_SAMPLED = 2000
_NUM_PROBED = 4
_PROBE_BATCHES = 6
_SELECTION_SHARE = 0.25
"""The quantile of FLOPs that stands for the cells that a search selects: fronts lean to the cheap."""


@dataclass(frozen=True)
class StepPlan:
    """One step: `num_expansions` cells are predicted and `num_networks` trained at most, the
    range of params among a sample of its cells, expected wall seconds.
    """

    step: int
    num_expansions: int
    num_networks: int
    params: tuple[int, int]
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A search's plan.

    `epoch_seconds`: one epoch of a typical cell of the last step in one worker; `seconds`: the whole search
    with `num_workers`; `memory_bytes`: all processes together.
    """

    steps: list[StepPlan]
    num_networks: int
    epoch_seconds: float
    seconds: float
    memory_bytes: int
    num_workers: int
    device: str
    data: dict[str, Any]
    warnings: list[str]


def plan(config: RunConfig) -> Plan:
    """Validate, load the data, probe this device.

    Raises:
        DataError: as the search would.
    """
    place = device.choose(config.others.train_strategy)
    task = tasks.get(config.dataset.type)
    dataset = task.load(config)
    spec = task.network_spec(config, dataset)
    search_space = config.search_space
    space = SearchSpace(search_space.operators, search_space.blocks, search_space.lookback_depth)
    rng = np.random.default_rng(derive_seed(config.others.seed, "plan"))
    samples = {0: space.encode([Cell()], 0)}
    samples[1] = space.new_blocks(1)[:, None]
    for step in range(2, space.num_blocks + 1):
        samples[step] = space.random_cells(_NUM_SAMPLED, step, rng)
    costs = {step: bulk_costs(cells_NB4, space, spec) for step, cells_NB4 in samples.items()}
    line = _probe(config, dataset, spec, space, samples[space.num_blocks], place)
    num_workers = _num_workers(config)
    num_samples = epoch_samples(dataset)
    steps = []
    for step in range(space.num_blocks + 1):
        expansions, count = _numbers(config, space, step)
        flops = costs[step].flops
        # Step 1 trains every cell; later ones train what the front holds.
        typical = float(np.mean(flops) if step < 2 else np.quantile(flops, _SELECTION_SHARE))
        per_network = line.seconds_per_sample(typical) * num_samples * config.training_hyperparameters.epochs
        work = count * (per_network * len(dataset.folds) + line.overhead)
        params = costs[step].params
        steps.append(
            StepPlan(
                step,
                expansions,
                count,
                (int(params.min()), int(params.max())),
                work / min(num_workers, count),
            )
        )
    typical = float(np.quantile(costs[space.num_blocks].flops, _SELECTION_SHARE))
    return Plan(
        steps=steps,
        num_networks=sum(item.num_networks for item in steps),
        epoch_seconds=line.seconds_per_sample(typical) * len(dataset.folds[0].train),
        seconds=sum(item.seconds for item in steps),
        memory_bytes=_peak_bytes() * (num_workers + 1),
        num_workers=num_workers,
        device=str(place),
        data=dataset.describe(),
        warnings=[*config.warnings(), *dataset.warnings],
    )


def epoch_samples(dataset: Dataset) -> float:
    """What an epoch of training and validation comes to, in training samples: a forward pass alone takes a
    third of a step, and grows with the images where validation sees more than the training crop.
    """
    fold = dataset.folds[0]
    return len(fold.train) + len(fold.validation) * dataset.whole_image_share / 3


def _numbers(config: RunConfig, space: SearchSpace, step: int) -> tuple[int, int]:
    """(expansions predicted, networks trained), both at most."""
    if step == 0:
        return 1, 1
    if step == 1:
        return space.count_new_blocks(1), space.count_new_blocks(1)
    parents = space.count_new_blocks(1) if step == 2 else _numbers(config, space, step - 1)[1]
    expansions = parents * space.count_new_blocks(step)
    return expansions, min(max_networks(config, step), expansions)


def _num_workers(config: RunConfig) -> int:
    settings = config.others.executor
    return executors.num_workers_of(settings.kind, settings.workers, settings.threads)


@dataclass(frozen=True)
class _Line:
    """Seconds per training sample as a function of FLOPs, and what a candidate takes beside its epochs."""

    base: float
    slope: float
    overhead: float

    def seconds_per_sample(self, flops: float) -> float:
        return self.base + self.slope * flops


def _probe(
    config: RunConfig,
    dataset: Dataset,
    spec: NetworkSpec,
    space: SearchSpace,
    cells_NB4: np.ndarray,
    place: torch.device,
) -> _Line:
    """Train cells spread over the range of FLOPs on a few batches each."""
    costs = bulk_costs(cells_NB4, space, spec)
    order = np.argsort(costs.flops)
    chosen = order[np.linspace(0, len(order) - 1, min(_NUM_PROBED, len(order))).astype(int)]
    few = dataset.folds[0].train.take(slice(0, config.dataset.batch_size * _PROBE_BATCHES))
    flops, seconds, overheads = [0.0], [], []
    # As the training's own clock: other work on this machine does not stretch the CPU time of one thread.
    is_one_thread = place.type == "cpu" and config.others.executor.threads == 1
    clock = time.thread_time if is_one_thread else time.perf_counter
    for cell in [Cell(), *space.decode(cells_NB4[chosen])]:
        began = clock()
        used = train_briefly(config, dataset, spec, cell, few, place)
        overheads.append(clock() - began - used)
        seconds.append(used / len(few))
    flops += costs.flops[chosen].astype(float).tolist()
    slope, base = np.polyfit(flops, seconds, 1) if len(set(flops)) > 1 else (0.0, float(np.mean(seconds)))
    return _Line(max(float(base), min(seconds)), max(float(slope), 0.0), float(np.median(overheads)))


def train_briefly(
    config: RunConfig, dataset: Dataset, spec: NetworkSpec, cell: Cell, few: Split, place: torch.device
) -> float:
    """Seconds of one epoch over `few`, with as many threads as a worker has."""
    with torch_threads(config.others.executor.threads):
        return _train_briefly(config, dataset, spec, cell, few, place)


def _train_briefly(
    config: RunConfig, dataset: Dataset, spec: NetworkSpec, cell: Cell, few: Split, place: torch.device
) -> float:
    task = tasks.get(config.dataset.type)
    placed: dict[str, Any] = {
        "device": place,
        "memory_format": device.memory_format(place, spec.num_dims, spec.filters),
    }
    torch.manual_seed(0)
    result = training.fit(
        networks.build(cell, spec),
        task.train_loader(config, dataset, few, seed=0, **placed),
        None,
        task.loss(config, dataset),
        lambda: task.metrics(dataset.num_classes),
        TrainingSettings.from_config(config).replace(epochs=1),
        seed=0,
        **placed,
    )
    return result.training_seconds


def _peak_bytes() -> int:
    """The most memory this process has held, which a worker will hold too."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
