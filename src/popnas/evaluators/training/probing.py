"""What candidates cost on this machine, from a few that are trained on a few batches.

For every operator the cell of one block that uses it twice is probed. A cell's cost is then taken as a sum:
what the empty cell costs, and what each of its operators adds, more or less by how its blocks are wired
(`wiring`); the part of its cells shrinks with the network where fewer are built (nearest lookback -2, ...).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from popnas import networks, training
from popnas.cells import Block, Cell, SearchSpace, bulk
from popnas.datasets import Split
from popnas.errors import CandidateFailed
from popnas.evaluation import CandidateJob
from popnas.evaluators.training import candidate, candidate_files
from popnas.evaluators.training.context import CandidateContext, TrainingContext, steps_of
from popnas.evaluators.training.wiring import Wiring, reckoned
from popnas.events import Listen, PhaseAdvanced, PhaseStarted
from popnas.networks.cost import network_cost
from popnas.networks.macros import MACROS
from popnas.networks.memory import training_memory
from popnas.networks.spec import NetworkSpec
from popnas.process_state import torch_in_turn
from popnas.records import Record
from popnas.training import EpochRecord
from popnas.training.clocks import host_clock
from popnas.training.failures import memory_errors_named, release

_MOST_BATCHES, _LEAST_BATCH, _EPOCH_SECONDS = 8, 0.25, 0.15
"""An epoch of a probe is to take so many seconds: at most 8 batches; of images at least a quarter of one,
where a sample costs 3 to 8 % more than in a whole batch; of series one (a quarter: 15 to 130 % more)."""
_LEAST_GPU_BATCHES = 4.0
"""On a GPU, whose steps are recorded after three (`training.accelerated.graphed`): in the first epoch."""
_FLOPS_PER_SECOND, _BYTES_PER_SECOND = 27e9, 1.6e9
"""What a sample takes in training on one core, roughly, by FLOPs of the forward pass and bytes kept for the
backward pass: 0.6 to 1.4 of the measured in 22 of 25 networks (recurrent ones take more)."""
_LEAST_EPOCHS, _MOST_EPOCHS, _PROBE_SECONDS, _LONG_PROBE_SECONDS = 3, 8, 0.2, 1.0
"""Epochs of a probe beside the first, which warms up: at least 3, as a single one is off by up to 80 % where
other work shares the caches, and more until so many seconds are spent. What takes long goes without."""
_BUDGET_SECONDS = 20.0
"""After so long the remaining operators are reckoned from the rough costs of their networks. All are probed a
second time where both rounds fit: what else a machine does changes within seconds, by up to a quarter."""


@dataclass(frozen=True)
class ProbedCost:
    """Seconds of one network: per training sample and epoch, per validation sample and epoch, and once."""

    train: float
    validation: float
    once: float

    def as_array(self) -> np.ndarray:
        """(3,) in the order of the fields."""
        return np.array([self.train, self.validation, self.once])


@dataclass(frozen=True)
class CostModel:
    """Costs of any cells of a space; rows are those of `ProbedCost`. `empty` (3,), `operators`
    (3, operators + 1), the last for none; `wiring`, what a larger cell costs against the sum of its
    operators, None for cells of one block only; `built` (L + 1,) the share of the network that is built by
    nearest lookback (0: none); `loading`, seconds that the first network of a process takes beside its own.
    """

    empty: np.ndarray
    operators: np.ndarray
    wiring: Wiring | None
    built: np.ndarray
    loading: float = 0.0

    def costs(self, cells_NB4: np.ndarray) -> np.ndarray:
        """(N, 3)."""
        share_N = self.built[-bulk.nearest_lookback(cells_NB4)]
        added_3N = sum(
            (
                self.operators[:, cells_NB4[:, block, half]]
                for block in range(cells_NB4.shape[1])
                for half in (1, 3)
            ),
            np.zeros((3, len(cells_NB4))),
        )
        added_3N = np.maximum(added_3N, 0.0)
        if self.wiring is not None:
            added_3N = added_3N * self.wiring.shares(cells_NB4)
        return np.asarray((self.empty[:, None] + share_N * added_3N).T)


@dataclass(frozen=True)
class Probes(Record):
    """What was measured on a device: of each round what the empty cell costs, (3,), and what one use of each
    operator adds, (3, operators + 1); `first_once`, the seconds of the first network of all beside its
    epochs; `failed`: why networks could not be trained, by their operator, "" of the empty cell."""

    empty: list[list[float]]
    operators: list[list[list[float]]]
    first_once: float
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> list[str]:
        """Sentences about what was reckoned where it could not be probed."""
        names = {name: f"'{name}'" if name else "the network without operators" for name in self.failed}
        return [
            f"{names[name]} could not be trained for a probe, and its cost is reckoned from others: {why}"
            for name, why in self.failed.items()
        ]


def probed(context: CandidateContext, tell: Listen) -> Probes:
    """Probe the device of `context`; `tell` hears what is being probed.

    Raises:
        CandidateFailed: not one network could be trained.
    """
    space = context.config.space
    with tempfile.TemporaryDirectory(prefix="popnas-plan-") as folder:
        prober = _Prober(context, Path(folder))
        tell(PhaseStarted("probing operators", len(space.operators)))
        # What is loaded and prepared once belongs to no cell: most of it with the first network of blocks,
        # whichever operator that has.
        first = prober.tried(_twice(space.operators[0]))
        began = time.monotonic()
        rounds = [_round(prober, space, tell)]
        if 2 * (time.monotonic() - began) < _BUDGET_SECONDS:
            tell(PhaseStarted("probing them again", len(space.operators)))
            rounds.append(_round(prober, space, tell))
        empty, operators = zip(*rounds, strict=True)
        return Probes(
            empty=[each.tolist() for each in empty],
            operators=[each.tolist() for each in operators],
            first_once=0.0 if first is None else first.once,
            failed={name: str(failure) for name, failure in prober.failed.items()},
        )


def cost_model(space: SearchSpace, spec: NetworkSpec, probes: Probes, tell: Listen) -> CostModel:
    """What follows from probes."""
    empty, single = (np.mean(rounds, axis=0) for rounds in (probes.empty, probes.operators))
    built = _built_shares(space, spec)
    tell(PhaseStarted("reckoning what larger cells cost"))
    wiring = reckoned(space, spec, built) if space.num_blocks > 1 else None
    loading = max(probes.first_once - float(empty[2] + 2 * single[2, 0]), 0.0)
    return CostModel(empty, single, wiring, built, loading)


def _round(prober: _Prober, space: SearchSpace, tell: Listen) -> tuple[np.ndarray, np.ndarray]:
    """What the empty cell costs, (3,), and what one use of each operator adds, (3, operators + 1)."""
    cells = [*map(_twice, space.operators), Cell()]
    rough = np.array([rough_seconds(cell, prober.spec) for cell in cells])
    costs = np.zeros((3, len(cells)))
    probed: list[int] = []

    def probe(place: int) -> None:
        if (cost := prober.tried(cells[place])) is not None:
            costs[:, place] = cost.as_array()
            probed.append(place)

    probe(len(cells) - 1)
    deadline = time.monotonic() + _BUDGET_SECONDS
    # From the cheapest to the dearest and between them: the first few span the range.
    ranks = np.argsort(np.argsort(rough[:-1]))
    order = sorted(np.argsort(rough[:-1]), key=lambda place: (ranks[place] % 3, place))
    for number, place in enumerate(order):
        if len(probed) > 3 and time.monotonic() > deadline:
            break
        tell(PhaseAdvanced(number, space.operators[place]))
        probe(place)
    if not probed:
        first = next(iter(prober.failed.values()))
        raise CandidateFailed(first.kind, f"no network of this search could be trained for a probe: {first}")
    for place in set(range(len(cells))) - set(probed):
        costs[:, place] = [np.interp(rough[place], *_line(rough[probed], row[probed])) for row in costs]
    tell(PhaseAdvanced(len(order)))
    empty, added = costs[:, -1], np.zeros((3, len(cells)))
    added[:, :-1] = (costs[:, :-1] - empty[:, None]) / 2
    return empty, added


def _twice(operator: str) -> Cell:
    return Cell((Block(-1, operator, -1, operator),))


def _line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(x)
    return x[order], y[order]


def _built_shares(space: SearchSpace, spec: NetworkSpec) -> np.ndarray:
    """(L + 1,): values of all built cells by nearest lookback, against those of nearest lookback -1."""
    macro = MACROS.get(spec.macro)()
    values = [
        sum(cell.output.num_values for cell in macro.plan(-nearest, space.lookback_depth, spec).cells)
        for nearest in range(space.lookback_depth + 1)
    ]
    return np.array(values) / max(values[1], 1)


class _Prober:
    """Trains cells as a worker would, on few samples."""

    def __init__(self, context: CandidateContext, folder: Path) -> None:
        self.context, self.folder = context, folder
        self.config, self.dataset, self.spec = context.config, context.dataset, context.spec
        self.failed: dict[str, CandidateFailed] = {}
        with torch_in_turn(self.config.others.executor.threads):  # the clock of the training's own figures
            self.clock = host_clock(context.placement.device)

    def tried(self, cell: Cell) -> ProbedCost | None:
        """What training it costs; None, and kept in `failed`, where it cannot be trained: a search goes on
        without such a network, and so do those who ask what it would cost."""
        try:
            return self.cost(cell)
        except CandidateFailed as failure:
            self.failed.setdefault(cell.blocks[0].op1 if cell.blocks else "", failure)
        release(self.context.placement.device)  # by now nothing refers to its tensors
        return None

    def cost(self, cell: Cell) -> ProbedCost:
        """What training it costs; raises CandidateFailed."""
        with (
            torch_in_turn(self.config.others.executor.threads),
            # Memory may run out in building and in timing too, not only in training.
            memory_errors_named(self.context.placement.device),
        ):
            return self._cost(cell.canonical())

    def _cost(self, cell: Cell) -> ProbedCost:
        few, fewer = few_samples(self.context, cell)
        began = self.clock()
        result, ends = probe_epochs(self.context, cell, (few, fewer), self.clock)
        records = result.epochs[1:] or result.epochs
        validation = statistics.median(record.validation_seconds for record in records)
        if len(ends) > 1:
            trained = statistics.median(np.diff(ends)) - validation
        else:
            trained = records[0].training_seconds
        # The training rehearses a step of a whole batch first, the probe one of its few samples.
        unseen = max(min(self.config.dataset.batch_size, len(self.dataset.train)) - len(few), 0)
        once = max(ends[0] - began - trained - validation, 0.0) + unseen * trained / len(few)
        return ProbedCost(trained / len(few), validation / len(fewer), once + self._afterwards(cell, result))

    def _afterwards(self, cell: Cell, result: training.TrainingResult) -> float:
        """Seconds of timing the inference and of the candidate's files."""
        began = self.clock()
        network = networks.build(cell, self.spec).to(self.context.placement.device)
        cost = network_cost(cell, self.spec)
        candidate.inference_seconds(self.context, network, cost)
        job = CandidateJob(cell.key, len(cell), 0, 0)
        candidate_files.write(self.context, job, network, [result], self.folder)
        return self.clock() - began


def rough_seconds(cell: Cell, spec: NetworkSpec) -> float:
    """What a training sample takes on some CPU, roughly; never 0."""
    flops, kept = network_cost(cell, spec).flops, training_memory(cell, spec).saved_per_sample
    return (flops + 1) / _FLOPS_PER_SECOND + kept / _BYTES_PER_SECOND


def few_samples(context: TrainingContext, cell: Cell) -> tuple[Split, Split]:
    """Samples of a probe's epoch for training and validation."""
    fold, spec, settings = context.dataset.folds[0], context.spec, context.config.dataset
    size = settings.batch_size
    if context.placement.device.type == "cuda":  # as fast with a whole batch as with a few samples of it
        least = _LEAST_GPU_BATCHES
    else:
        least = _LEAST_BATCH if spec.num_dims > 1 else 1.0
    batches = float(np.clip(_EPOCH_SECONDS / (rough_seconds(cell, spec) * size), least, _MOST_BATCHES))
    if batches > 1:
        batches = int(batches)
    validation_size = settings.val_test_batch_size or size
    return (
        fold.train.take(slice(0, max(int(size * batches), 2))),
        fold.validation.take(slice(0, max(int(validation_size * batches / 2), 1))),
    )


def probe_epochs(
    context: TrainingContext, cell: Cell, splits: Sequence[Split], clock: Callable[[], float]
) -> tuple[training.TrainingResult, list[float]]:
    """Train on (training, validation) splits for a first epoch and others, until the time of a probe is over;
    what `clock` said at the end of each. Steps are made as in a training on all of the data."""
    ends: list[float] = []
    spent = 0.0

    def end_epoch(record: EpochRecord, snapshot: Any) -> bool:
        nonlocal spent
        ends.append(clock())
        spent += record.training_seconds + record.validation_seconds
        is_enough = spent > _PROBE_SECONDS and len(ends) > _LEAST_EPOCHS
        return is_enough or spent > _LONG_PROBE_SECONDS

    config, dataset, task, place = context.config, context.dataset, context.task, context.placement
    torch.manual_seed(0)
    result = training.fit(
        networks.build(cell, context.spec),
        task.train_loader(config, dataset, splits[0], place, seed=0),
        task.evaluation_loader(config, dataset, splits[1], place),
        context.criteria,
        context.settings.replace(epochs=1 + _MOST_EPOCHS),
        place,
        training.Course(seed=0, on_epoch=end_epoch, num_steps=steps_of(config, dataset)),
    )
    return result, ends
