"""Whether a job can be done here at all: its memory and its steps, reckoned before anything is trained.

What surely cannot fit, or would never end, is refused with a figure and what to lower; nothing that fits is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from popnas import executors, resources, tasks
from popnas.cells import Block, Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset, Split
from popnas.errors import CandidateFailed, DeviceFilledError, UserError
from popnas.evaluators.training import compiling, shared_data
from popnas.evaluators.training.placing import devices, num_workers, of_workers, placement
from popnas.networks.macros import MACROS
from popnas.networks.memory import TrainingMemory, training_memory
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement, has_units_for, precision
from popnas.resources import MemoryLimit
from popnas.training import device
from popnas.training.gpus import kept

WORKER_BYTES = 300 * 2**20
"""What a worker holds before it has data or a network: the interpreter, torch and its kernels."""

CONTEXT_BYTES = 500 * 2**20
"""What a process takes of a GPU before it has data or a network there: its context, kernels and the scratch
memory of libraries. An order of magnitude: it was not measured here."""

LEAST_STEP_SECONDS = 1e-4
"""No forward and backward pass with its update is faster, on any device."""

LONGEST_SECONDS = 365 * 86400.0

_FILLED = 0.25
"""Processes of others that hold less of a GPU are part of it, such as those of a desktop."""

_EXPANSION_BYTES = (80, 16)
"""Bytes of an expanded cell: fixed, and per block."""

_CELL_BYTES = 2000
"""Bytes of a single-block cell that is proposed: its texts, its event, its evaluation."""


@dataclass(frozen=True)
class Need:
    """What a network takes: `memory` of its training; `batch_size` samples at most of a batch are on each of
    the `num_devices` that train it together."""

    cell: Cell
    spec: NetworkSpec
    memory: TrainingMemory
    batch_size: int
    num_devices: int = 1

    @property
    def peak(self) -> int:
        """Bytes, as they are expected."""
        return self.memory.peak(self.batch_size)


def check_search(config: RunConfig, dataset: Dataset) -> list[str]:
    """Refuse a search that cannot be done here; the warnings about one that may be too much.

    Raises:
        UserError: threads that cannot be started; single-block cells that do not fit into memory; more of
            them, or of their expansions, than fit; a training that cannot end.
    """
    _check_threads(config)
    check_time(
        config,
        dataset,
        num_trainings=1 if config.others.max_hours else (1 + _least_singles(config)) * len(dataset.folds),
        limit=config.others.max_candidate_seconds,
        num_folds=len(dataset.folds),
    )
    _check_counts(config)
    needs = check_memory(config, dataset, _simplest_networks(config, dataset))
    place = torch.device(of_workers(config)[0])
    spec = tasks.get(config.dataset.type).network_spec(config, dataset)
    compiled = compiling.of_candidates(config, dataset, spec, Placement(place))
    memory = Room.of(config, dataset).warnings(max(need.peak for need in needs))
    if not executors.REGISTRY.get(config.others.executor.kind).shares_disk:
        return memory + compiling.told([compiled])  # what the devices of other machines can is not known here
    return memory + _unequal(config) + _without_gain(config, place, [compiled])


def _unequal(config: RunConfig) -> list[str]:
    """A warning where times are those of one kind of GPU or another, by chance."""
    places = sorted(set(of_workers(config)))
    if len(places) < 2 or config.others.timing == "simulated":
        return []
    kinds = sorted({torch.cuda.get_device_name(place) for place in places})
    if len(kinds) < 2:
        return []
    return [
        f"others.train_strategy: the GPUs are of different kinds ({', '.join(kinds)}). A candidate's times "
        "depend on which of them trains it, and are compared all the same. Let PyTorch see those of one kind "
        "(the environment variable CUDA_VISIBLE_DEVICES)."
    ]


def check_training(
    config: RunConfig,
    dataset: Dataset,
    networks: Sequence[tuple[Cell, NetworkSpec]],
    *,
    is_final: bool,
    num_devices: int = 1,
) -> list[str]:
    """Refuse trainings after the search that cannot be done here; warnings about settings without effect.
    `num_devices` train each network together.

    Raises:
        UserError: a network that does not fit into memory, or a training that cannot end.
    """
    _check_threads(config)
    check_time(config, dataset, num_trainings=1)
    post = [
        (cell, spec.replace(is_post_search=True))
        for cell, spec in networks
        if MACROS.get(spec.macro).is_of_cells  # others are not trained in batches
    ]
    check_memory(config, dataset, post, is_final=is_final, num_devices=num_devices)
    place = device.choose(config.others.train_strategy)
    num_examples = len(dataset.full_train if is_final else dataset.train)
    compiled = [
        compiling.of_network(
            config, cell, spec, placement(config, spec), num_examples, num_devices=num_devices
        )
        for cell, spec in post
    ]
    unlike = _unlike(config, post[0][1]) if post and num_devices > 1 else []
    return unlike + _without_gain(config, place, compiled)


def _unlike(config: RunConfig, spec: NetworkSpec) -> list[str]:
    """What two-byte floats GPUs of several kinds compute a network in together (`Team.agreed`)."""
    places = [torch.device(name) for name in devices(config)]
    chosen, is_gpu = placement(config, spec).autocast, places[0].type == "cuda"
    kinds = {torch.cuda.get_device_name(place): place for place in places} if is_gpu else {}
    if chosen is None or len(kinds) < 2:
        return []
    lacking = [kind for kind, place in kinds.items() if not has_units_for(place, chosen)]
    name = str(chosen).removeprefix("torch.")
    taken = f"float32, as {lacking[0]} has no units for {name}" if lacking else f"{name}, as the first takes"
    return [
        f"others.use_mixed_precision: the GPUs are of different kinds ({', '.join(sorted(kinds))}), and all "
        f"that train a network together compute it in {taken}."
    ]


def _without_gain(
    config: RunConfig, place: torch.device, compiled: Sequence[compiling.Compiling]
) -> list[str]:
    is_mixed, facts = config.others.use_mixed_precision, kept.of(place)
    if facts is None:
        mixed = device.no_gain(place, has_mixed_precision=is_mixed)
    else:
        why = facts.why_not_mixed() if is_mixed else None
        mixed = [] if why is None else [f"others.use_mixed_precision: has no effect here: {why}."]
    return [*mixed, *compiling.told(compiled)]


def check_time(
    config: RunConfig, dataset: Dataset, *, num_trainings: int, limit: float | None = None, num_folds: int = 1
) -> None:
    """Refuse trainings, so many for certain, that even the fastest machine would not end within a year, or
    `num_folds` of them within `limit` seconds.

    Raises:
        UserError: likewise.
    """
    epochs = config.training_hyperparameters.epochs
    batches = math.ceil(len(dataset.train) / config.dataset.batch_size)
    steps = epochs * batches
    workers = 1 if num_trainings == 1 else num_workers(config)
    most = int(LONGEST_SECONDS * workers / num_trainings / LEAST_STEP_SECONDS)
    within = "a year"
    times = f", for {num_trainings:,} networks" if num_trainings > 1 and limit is None else ""
    if limit is not None and max(limit, 1.0) / LEAST_STEP_SECONDS / num_folds < most:
        # What fails within a second is told soon enough by the search itself.
        most = int(max(limit, 1.0) / LEAST_STEP_SECONDS / num_folds)
        within = f"others.max_candidate_seconds ({limit:g})"
        times = f", on each of {num_folds} folds" if num_folds > 1 else ""
    if steps > most:
        raise UserError(
            f"training_hyperparameters.epochs: {epochs:,} epochs of {batches:,} batches are {steps:,} "
            f"steps{times}, which no machine does within {within}. "
            + (f"At most {most // batches:,} epochs" if most >= batches else "Not even one epoch")
            + " could end. Take fewer epochs, fewer samples (dataset.samples) or a larger dataset.batch_size."
        )


def _check_threads(config: RunConfig) -> None:
    """A thread that cannot be started ends the whole process, from within OpenMP and without an exception."""
    wanted = config.others.executor.threads
    # The backward pass runs in a thread of its own, which has as many at its side as the forward pass.
    most = wanted if wanted == 1 else resources.startable_threads(2 * wanted) // 2
    if most < wanted:
        raise UserError(
            f"others.executor.threads: {wanted} threads cannot be started here, only {most}: limits on "
            "processes (ulimit -u), on address space (ulimit -v) or of the control group forbid it. Write "
            f"{min(most, len(resources.available_cores()))} or fewer; more than the cores only slow training."
        )


def _least_singles(config: RunConfig) -> int:
    """How many cells of one block are trained at least; a cell has two halves."""
    space, repeats = config.space, config.search_strategy.single_block_repeats
    found = space.count_new_blocks(1)
    num_halves = space.lookback_depth * space.num_operators
    return min(found, -(-num_halves * repeats // 2)) if repeats else found


def _check_counts(config: RunConfig) -> None:
    """What a search proposes and expands for certain."""
    space = config.space
    all_of_them, found = space.count_new_blocks(1), _least_singles(config)
    which = f"all {found:,}" if found == all_of_them else f"at least {found:,}"
    _check_count(found * _CELL_BYTES, f"the search trains {which} cells of one block", "")
    if space.num_blocks > 1:
        parents = min(found + config.search_strategy.untrained_parents, all_of_them)
        expanded = parents * space.count_new_blocks(2)
        fixed, per_block = _EXPANSION_BYTES
        # At least half of them are distinct, and predicted at once.
        needed = expanded * (fixed + 2 * per_block) // 2
        _check_count(needed, f"step 2 predicts up to {expanded:,} cells of two blocks", ", blocks")


def _check_count(needed: int, what: str, further: str) -> None:
    limit = next(iter(resources.memory_limits()), None)
    if limit is not None and needed > limit.num_bytes:
        raise UserError(
            f"{what}, which takes about {_gib(needed)} of memory; there are {_gib(limit.num_bytes)} "
            f"({limit.what}). Lower search_space.lookback_depth{further} or the number of "
            "search_space.operators."
        )


def _simplest_networks(config: RunConfig, dataset: Dataset) -> list[tuple[Cell, NetworkSpec]]:
    """A cell of one block for each operator, which is built at every place of the network: no other one of
    that operator and one block is larger."""
    spec = tasks.get(config.dataset.type).network_spec(config, dataset)
    return [(Cell((Block(-1, name, -1, name),)), spec) for name in config.search_space.operators]


def check_memory(
    config: RunConfig,
    dataset: Dataset,
    networks: Iterable[tuple[Cell, NetworkSpec]],
    *,
    is_final: bool = False,
    num_devices: int = 1,
) -> list[Need]:
    """What each network takes on each of the devices that train it together; refuse those that surely do
    not fit, each by itself, into the memory that their training may use.

    Raises:
        UserError: with the figure, the batch size and what to lower.
    """
    room = Room.of(config, dataset, is_here=is_final)
    whole = _largest_batch(config, dataset.full_train if is_final else dataset.train)
    batch_size = math.ceil(whole / num_devices)
    needs = [replace(need_of(*network, batch_size), num_devices=num_devices) for network in networks]
    too_large = [need for need in needs if not room.may_hold(need)]
    if too_large:
        raise UserError(_refusal(config, room, max(too_large, key=lambda need: need.peak), len(too_large)))
    return needs


def may_outgrow(config: RunConfig, dataset: Dataset) -> bool:
    """Whether cells of more blocks may take more memory than there is, though all of one block fit."""
    room = Room.of(config, dataset)
    return not room.limits or not room.holds(most_bytes(config, dataset), 1)


def most_bytes(config: RunConfig, dataset: Dataset) -> int:
    """More bytes than any candidate takes to train: a block adds less than the network of its dearest
    operator takes alone."""
    batch_size = _largest_batch(config, dataset.train)
    peaks = [need_of(cell, spec, batch_size).peak for cell, spec in _simplest_networks(config, dataset)]
    return config.search_space.blocks * max(peaks)


def check_candidate(
    room: Room, config: RunConfig, dataset: Dataset, network: tuple[Cell, NetworkSpec]
) -> None:
    """Refuse a candidate before it is built: what takes more memory than there is may end the process.

    Raises:
        CandidateFailed: "out_of_memory", with what it takes and what is there.
    """
    try:
        need = need_of(*network, _largest_batch(config, dataset.train))
    except UserError as error:
        raise CandidateFailed("out_of_memory", str(error)) from error
    if not room.may_hold(need):
        raise CandidateFailed("out_of_memory", _refusal(config, room, need, 1))


def check_not_filled_by_others(
    config: RunConfig, dataset: Dataset, network: tuple[Cell, NetworkSpec], place: torch.device, sharing: int
) -> None:
    """For a network that ran out of a GPU's memory, of which none of the `sharing` workers there trains
    another now: whether it fits must not depend on who else computes there by chance.

    Raises:
        DeviceFilledError: it is expected to fit, but processes that are not of this search fill the GPU.
    """
    room = Room.of(config, dataset, is_here=True, on=place)
    ((limit, used),) = room.limits
    need = need_of(*network, _largest_batch(config, dataset.train))
    own = used + (sharing - 1) * room.per_worker + need.peak
    others = room.others - (sharing - 1) * room.per_worker
    if others < _FILLED * limit.num_bytes or not own <= limit.num_bytes < own + others:
        return
    raise DeviceFilledError(
        f"{place} has no memory left for this search: other processes hold about {_gib(others)} of "
        f"{_gib(limit.num_bytes)}, and the network of {need.cell}, which takes about {_gib(need.peak)}, "
        "would fit without them. It has not failed: end them, let PyTorch see another GPU (the environment "
        "variable CUDA_VISIBLE_DEVICES) or train on another device (others.train_strategy), and go on with "
        "the run."
    )


def _largest_batch(config: RunConfig, trained: Split) -> int:
    return min(config.dataset.batch_size, len(trained))


def need_of(cell: Cell, spec: NetworkSpec, batch_size: int) -> Need:
    """What training the network of `cell` takes.

    Raises:
        UserError: a tensor of it is larger than anything that can be addressed.
    """
    try:
        return Need(cell, spec, training_memory(cell, spec), batch_size)
    except OverflowError:
        raise UserError(
            f"the network of {cell} has layers that no memory holds: it starts with "
            f"architecture_hyperparameters.filters {spec.filters} and doubles them "
            f"{spec.motifs - 1} times. Lower filters or architecture_hyperparameters.motifs."
        ) from None


@dataclass(frozen=True)
class Room:
    """Memory for the networks of a job: `limits`, each with the bytes that are gone before a network is
    trained, none where they are not known; `num_workers` train at once, on a GPU on each of `num_devices`.
    `others`: bytes of it that other processes hold now, and may not for long; `has_mixed_precision`: of the
    networks, where the device has it."""

    limits: tuple[tuple[MemoryLimit, int], ...]
    num_workers: int
    per_worker: int
    num_devices: int = 1
    others: int = 0
    has_mixed_precision: bool = False

    @classmethod
    def of(
        cls, config: RunConfig, dataset: Dataset, *, is_here: bool = False, on: torch.device | None = None
    ) -> Room:
        """The room on the device of `config`, with the data loaded in this process; `is_here`: this process
        trains, whatever the executor. `on`: the device; None: of several GPUs the largest, as what fits
        there is not refused."""
        executor = executors.REGISTRY.get(config.others.executor.kind)
        if not (is_here or executor.shares_disk):
            return cls((), 1, 0)  # of other machines: each worker judges by its own
        if config.others.train_strategy == "TPU":
            return cls((), 1, 0)  # what a program takes there is known once it is compiled
        workers = 1 if is_here else num_workers(config)
        is_inline = is_here or executor.is_in_driver
        data = data_bytes(dataset.full_train)
        names = device.names(config.others.train_strategy) if on is None else [str(on)]
        places = [torch.device(name) for name in names]
        is_mixed = precision(places[0], config.others.use_mixed_precision) is not None
        if places[0].type == "cuda":
            # Not `mem_get_info`, which opens a context on each, half a GiB of it.
            on = on or max(places, key=lambda place: torch.cuda.get_device_properties(place).total_memory)
            per_worker = CONTEXT_BYTES + (data if config.dataset.cache else 0)
            # Workers take the GPUs in turn: so many share one.
            sharing = 1 if is_here else math.ceil(workers / len(places))
            found = cls._of_gpu(on, per_worker, sharing, min(workers, len(places)), is_here=is_here)
            return replace(found, has_mixed_precision=is_mixed)
        is_shared = is_mapped(dataset.full_train) or (not is_inline and shared_data.can_be_shared(dataset))
        # Of what is mapped batches are picked as it lies there.
        copies = data if config.dataset.cache and not is_shared else 0
        own = 0 if is_shared else data
        per_worker = copies if is_inline else WORKER_BYTES + own + copies
        limits = []
        for limit in resources.memory_limits():
            if limit.is_per_process:
                # A worker maps about the same libraries and data as this process.
                used = resources.address_space_in_use() + copies
            else:
                used = resources.memory_in_use() + per_worker
            limits.append((limit, used))
        at_once = 1 if is_inline else workers
        return cls(tuple(limits), at_once, per_worker, has_mixed_precision=is_mixed)

    @classmethod
    def _of_gpu(
        cls, place: torch.device, per_worker: int, sharing: int, num_devices: int, *, is_here: bool
    ) -> Room:
        free, total = torch.cuda.mem_get_info(place)
        # What this process holds it uses again for its own networks, but beside workers it stays taken.
        own = CONTEXT_BYTES + torch.cuda.memory_reserved(place) if is_here else 0
        limit = MemoryLimit(total, f"the memory of {place}")
        others = max(total - free - own, 0)
        return cls(((limit, per_worker),), sharing, per_worker, num_devices, others)

    def may_hold(self, need: Need) -> bool:
        """Whether the network may fit; false: surely not."""
        least = need.memory.least(need.batch_size, has_mixed_precision=self.has_mixed_precision)
        return all(used + least <= limit.num_bytes for limit, used in self.limits)

    def holds(self, peak: int, num_workers: int) -> bool:
        """Whether so many networks at once, each of `peak` bytes, are expected to fit."""
        return all(
            used
            + self.others
            + peak
            + (0 if limit.is_per_process else (num_workers - 1) * (self.per_worker + peak))
            <= limit.num_bytes
            for limit, used in self.limits
        )

    def warnings(self, peak: int) -> list[str]:
        """About networks of `peak` bytes that fit one by one, but not all at once that workers train."""
        fitting = next((n for n in range(self.num_workers, 0, -1) if self.holds(peak, n)), 0)
        if fitting == self.num_workers:
            return []
        limit, _ = self.tightest()
        remedy = "lower dataset.batch_size"
        if fitting:
            remedy = f"others.executor.workers={fitting * self.num_devices} fits"
        taken = f", of which {_gib(self.others)} are in use now by others" if self.others else ""
        return [
            f"memory may run out: the largest single-block network takes about {_gib(peak)} to train, and "
            f"{self.num_workers} worker(s) together may take {_gib(self.total(peak))} of "
            f"{_gib(limit.num_bytes)} ({limit.what}){taken}; {remedy}."
        ]

    def total(self, peak: int) -> int:
        """Bytes of all processes together while each worker trains a network of `peak` bytes."""
        used = max((used for limit, used in self.limits if not limit.is_per_process), default=0)
        return used + peak + (self.num_workers - 1) * (self.per_worker + peak)

    def tightest(self) -> tuple[MemoryLimit, int]:
        """The limit that leaves the least."""
        return min(self.limits, key=lambda pair: pair[0].num_bytes - pair[1])


def data_bytes(split: Split) -> int:
    """Bytes of a split's examples and labels, where they are arrays and not read one by one."""
    return sum(array.nbytes for array in (split.x, split.y) if isinstance(array, np.ndarray))


def is_mapped(split: Split) -> bool:
    """Whether the examples lie on disk, and in memory as far as they are used, once for all processes."""
    return isinstance(split.x, np.memmap)


def _refusal(config: RunConfig, room: Room, need: Need, num_too_large: int) -> str:
    limit, used = room.tightest()
    batch = config.dataset.batch_size
    samples = f" (all {need.batch_size} samples)" if need.batch_size < batch else ""
    if need.num_devices > 1:
        samples = f" ({need.batch_size} samples on each of {need.num_devices} devices)"
    return (
        f"not enough memory: training the network of {need.cell} takes about {_gib(need.peak)} at "
        f"dataset.batch_size {batch}{samples}, and {_gib(max(limit.num_bytes - used, 0))} are left of "
        f"{_gib(limit.num_bytes)}, {limit.what}."
        + (f" {num_too_large} of the networks to train are too large." if num_too_large > 1 else "")
        + f" {_remedy(config, room, need)}"
    )


def _remedy(config: RunConfig, room: Room, need: Need) -> str:
    limit, used = room.tightest()
    most = need.memory.largest_batch(limit.num_bytes - used) * need.num_devices
    shape: Any = config.architecture_hyperparameters
    smaller = (
        f"architecture_hyperparameters.filters ({shape.filters}), motifs ({shape.motifs}) or "
        f"normal_cells_per_motif ({shape.normal_cells_per_motif})"
    )
    if most >= 2:
        return f"Lower dataset.batch_size: {most} should fit. Or lower {smaller}."
    rows = "shorten the series" if need.spec.num_dims == 1 else "make the images smaller (dataset.resize)"
    return f"Even a batch_size of 2 does not fit: lower {smaller}, leave out that operator, or {rows}."


def _gib(num_bytes: float) -> str:
    if num_bytes < 0.1 * 2**30:
        return f"{num_bytes / 2**20:.1f} MiB"
    return f"{num_bytes / 2**30:,.1f} GiB"
