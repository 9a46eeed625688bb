"""How long an epoch takes after the search: from a training's log, or probed where that says too little."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from popnas import networks, tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import CandidateFailed
from popnas.evaluators.training import fits, probing
from popnas.evaluators.training.context import TrainingContext
from popnas.evaluators.training.placing import placement
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec
from popnas.process_state import torch_in_turn
from popnas.training.failures import memory_errors_named, release
from popnas.workflows.models import macro_variants, requests
from popnas.workflows.models.folder import TrainingLog
from popnas.workflows.models.macro_variants import Macro

_LOG = logging.getLogger("popnas.training")

_UNTOLD = 0.1
"""How much it counts, against a probe, that layers and arithmetic take half of the time each: one network
alone does not tell them apart."""


@dataclass(frozen=True)
class NetworkSize:
    """What a network's time goes by: how many cells are stacked, and the FLOPs of a sample."""

    cells: int
    flops: float


@dataclass(frozen=True)
class SampleCost:
    """Seconds of a training sample for every stacked cell and for every FLOP. Small networks of equal depth
    take equally long, whatever their FLOPs: of a network of 6 filters those of 12 have four times the FLOPs
    and took 0.7 to 1.0 times as long."""

    per_cell: float
    per_flop: float

    @classmethod
    def of(cls, probed: Sequence[tuple[NetworkSize, float]]) -> SampleCost:
        """That of probed networks, with their seconds; the first is the one that others are like."""
        first, seconds = probed[0]
        scale = np.array([first.cells, first.flops]) / seconds
        # Relative to what each took, or the largest alone would decide.
        rows = [[size.cells / taken, size.flops / taken] / scale for size, taken in probed]
        coefficients, _ = nnls(
            np.array([*rows, [_UNTOLD, 0.0], [0.0, _UNTOLD]]),
            np.array([*(1.0 for _ in rows), _UNTOLD / 2, _UNTOLD / 2]),
        )
        per_cell, per_flop = coefficients / scale
        return cls(float(per_cell), float(per_flop))

    def seconds(self, size: NetworkSize) -> float:
        """Those of a training sample of such a network."""
        return self.per_cell * size.cells + self.per_flop * size.flops


def sizes_of(cell: Cell, spec: NetworkSpec, params: str | None) -> list[NetworkSize]:
    """Those of every network that selection trains of a cell, the original first."""
    return [_size(cell, _shaped(spec, shape)) for shape in _shapes(cell, spec, params)]


def logged(log: TrainingLog) -> float | None:
    """The median epoch of a `training.json`, less the share that validation has of it, as final training has
    none; None if it has fewer than two beside the first, which takes longer: it starts threads and plans
    convolutions."""
    seconds = log.epoch_seconds[1:]
    if len(seconds) < 2:
        return None
    trained, validated = (
        sum(float(str(record.get(f"{what}_seconds", 0.0))) for record in log.epochs)
        for what in ("training", "validation")
    )
    share = trained / (trained + validated) if trained > 0 else 1.0
    return statistics.median(seconds) * share


def sample_cost(config: RunConfig, dataset: Dataset, cell: Cell, params: str | None) -> SampleCost:
    """What training samples take here in the networks that selection trains of a cell: the original and the
    dearest that fits into memory and can be trained are probed; where none can, it is a rough figure."""
    spec, room = spec_of(config, dataset), fits.Room.of(config, dataset, is_here=True)
    batch_size = min(config.dataset.batch_size, len(dataset.train))
    first, *others = _shapes(cell, spec, params)
    others.sort(key=lambda shape: _size(cell, _shaped(spec, shape)).flops, reverse=True)
    found = _sizes_probed(config, dataset, cell, [first])
    found += _sizes_probed(
        *(config, dataset, cell),
        [shape for shape in others if room.may_hold(fits.need_of(cell, _shaped(spec, shape), batch_size))],
    )
    if not found:
        found = [(_size(cell, _shaped(spec, first)), probing.rough_seconds(cell, spec))]
    return SampleCost.of(found)


def _sizes_probed(
    config: RunConfig, dataset: Dataset, cell: Cell, shapes: Sequence[Macro]
) -> list[tuple[NetworkSize, float]]:
    """The first of them that can be trained, with the seconds of a sample; none where none can."""
    for shape in shapes:
        changed = requests.with_macro(config, shape.motifs, shape.normal_cells, shape.filters)
        if (seconds := probed(changed, dataset, cell)) is not None:
            return [(_size(cell, _shaped(spec_of(config, dataset), shape)), seconds)]
    return []


def probed(config: RunConfig, dataset: Dataset, cell: Cell) -> float | None:
    """Seconds a sample that training a cell's post-search network takes here; None, told in the log, where it
    cannot be trained: whoever trains it will find the same, and tell."""
    spec = spec_of(config, dataset).replace(is_post_search=True)
    context = TrainingContext(config, dataset, spec, placement(config, spec).off_tpu)
    device = context.placement.device
    try:
        with torch_in_turn(config.others.executor.threads), memory_errors_named(device):
            return _probed(context, cell)
    except CandidateFailed as failure:
        _LOG.info("The network of %s could not be trained for a probe: %s", cell, failure)
    finally:
        release(device)  # by now nothing refers to its tensors; those who train are other processes
    return None


def _probed(context: TrainingContext, cell: Cell) -> float:
    few, validation = probing.few_samples(context, cell)
    splits = (few, validation.take(slice(0, 1)))
    result, _ = probing.probe_epochs(context, cell, splits, time.perf_counter)
    records = result.epochs[1:] or result.epochs
    return statistics.median(record.training_seconds for record in records) / len(few)


def spec_of(config: RunConfig, dataset: Dataset) -> NetworkSpec:
    """The networks of a stage's configuration."""
    return tasks.get(config.dataset.type).network_spec(config, dataset)


def _shapes(cell: Cell, spec: NetworkSpec, params: str | None) -> list[Macro]:
    shapes = [macro_variants.original(cell, spec)]
    if params is not None:
        shapes += macro_variants.alternatives(cell, spec, macro_variants.parse_params_range(params))
    return shapes


def _shaped(spec: NetworkSpec, shape: Macro) -> NetworkSpec:
    return spec.replace(motifs=shape.motifs, normal_cells_per_motif=shape.normal_cells, filters=shape.filters)


def _size(cell: Cell, spec: NetworkSpec) -> NetworkSize:
    return NetworkSize(int(networks.num_cells_stacked(cell, spec)[0]), float(network_cost(cell, spec).flops))
