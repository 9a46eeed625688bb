"""How many candidates a GPU trains at once: as many as gain by it and fit into its memory, found by trying.

A small network leaves most of a GPU idle. So 1, 2, 4, ... processes train one and the same typical network on
the GPU, each as a worker would, and the steps that they do in a second are counted. That each candidate's own
time is not disturbed by its neighbours is the doing of `training.accelerated.turns`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from popnas import executors, resources
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset, Fold
from popnas.errors import ExecutorError
from popnas.evaluators.training import candidate, fits, placing, shared_data
from popnas.evaluators.training.context import steps_of
from popnas.evaluators.training.packing import counting
from popnas.evaluators.training.packing.counting import GONE, MEETING_SECONDS, Awhile, Counted
from popnas.events import Listen, PhaseStarted, Told
from popnas.executors import Executor, Job, Work
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec

MOST = 16
"""At once on one GPU: more of one process each would take more memory for themselves than for networks."""
LEAST_GAIN = 1.1
"""Twice as many must do so many times the steps, or they are left out."""
_NUM_BATCHES = 16
"""Of an epoch of a probe; longer ones would not end in time where a step takes long."""
_SPARE = 0.1
"""Part of a GPU's memory that is left free: pieces of it may lie so that they cannot be used."""
_NUM_DRAWN = 15
_LEAST_LIMIT_SECONDS = 600.0
"""A shorter time limit has no minute to spare for trying: it would be more than a tenth of it."""


@dataclass(frozen=True)
class Packing:
    """So many candidates at once on each GPU; `throughputs`: steps a second of all together, by how many were
    tried at once; `why`: no more, in a few words; `seconds`: what trying took."""

    per_device: int
    throughputs: Mapping[int, float]
    why: str
    seconds: float = 0.0

    @property
    def stretch(self) -> float:
        """How many times as long as alone a candidate takes by the clock on the wall."""
        alone, together = (self.throughputs.get(number, 0.0) for number in (1, self.per_device))
        return max(self.per_device * alone / together, 1.0) if together else 1.0

    def __str__(self) -> str:
        tried = ", ".join(f"{number}: {steps:.3g}" for number, steps in self.throughputs.items())
        each = "one candidate at a time" if self.per_device == 1 else f"{self.per_device} candidates at once"
        figures = f" Steps a second by how many at once: {tried}." if tried else ""
        return f"{each} on a GPU ({self.why}).{figures}"


@dataclass(frozen=True)
class Throughput:
    """So many at once did so many `steps` a second in all; `room`: how many of the largest candidates would
    fit into the memory."""

    steps: float
    room: int


def settled(attempt: Callable[[int], Throughput | None], most: int) -> Packing:
    """Try 1, 2, 4, ... at once, `most` at most, until no more fit or twice as many gain too little.

    `attempt`: what came of so many at once, None if they could not be trained.
    """
    throughputs: dict[int, float] = {}
    best, number, why = 1, 1, f"no more than {most} were tried"
    while number <= most:
        tried = attempt(number)
        if tried is None:
            why = f"{number} at once could not be trained"
            break
        throughputs[number] = tried.steps
        if number > 1 and tried.steps < LEAST_GAIN * throughputs[best]:
            why = f"{number} gained less than {LEAST_GAIN - 1:.0%}"
            break
        best = number
        if 2 * number > tried.room:
            why = f"memory for {max(tried.room, 1)} of the largest"
            break
        number *= 2
    return Packing(best, throughputs, why)


def applies(config: RunConfig, devices: Sequence[str]) -> bool:
    """Whether it is to be found out: nobody has said how many workers there are to be, they are processes of
    this machine, and GPUs are theirs."""
    settings = config.others.executor
    executor = executors.REGISTRY.get(settings.kind)
    is_local = executor.shares_disk and not executor.is_in_driver
    is_gpu = all(torch.device(name).type == "cuda" for name in devices)
    return settings.workers is settings.workers_per_gpu is None and is_local and is_gpu


def found(config: RunConfig, dataset: Dataset, spec: NetworkSpec, tell: Listen) -> Packing:
    """Try it on the first of the configuration's devices, in about a minute; not where the time limit is too
    short for that."""
    limit, began = config.others.max_hours, time.monotonic()
    if limit is not None and 3600 * limit < _LEAST_LIMIT_SECONDS:
        packing = Packing(
            1,
            {},
            f"more are tried, for about a minute, from {_LEAST_LIMIT_SECONDS / 60:.0f} minutes on, and "
            f"others.max_hours is {limit:.3g}; others.executor.workers_per_gpu says how many without trying",
        )
    else:
        packing = _tried(config, dataset, spec, tell)
    tell(Told(f"Training {packing}"))
    return replace(packing, seconds=time.monotonic() - began)


def _tried(config: RunConfig, dataset: Dataset, spec: NetworkSpec, tell: Listen) -> Packing:
    devices, settings = placing.devices(config), config.others.executor
    # Each process keeps a core busy with issuing its work.
    most = max(min(MOST, len(resources.available_cores()) // len(devices)), 1)
    few = few_examples(config, dataset)
    # Of the data only a few are there: a worker keeps all.
    more = (
        fits.data_bytes(dataset.full_train) - fits.data_bytes(few.full_train) if config.dataset.cache else 0
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="popnas-packing-")))
        shared = stack.enter_context(shared_data.shared(config, few, folder, tell))
        payload = candidate.CandidateSetup(config.to_json(), None, None, judges_memory=False).to_json()
        executor = stack.enter_context(
            executors.create(
                settings.kind,
                Work(f"{candidate.__name__}:setup", f"{counting.__name__}:evaluate", payload, shared.place),
                num_workers=most,
                threads=settings.threads,
                devices=devices[:1],
                hard_timeout_seconds=2 * MEETING_SECONDS,
            )
        )
        typical = Awhile(typical_cell(config, spec).key, steps_of(config, dataset), 0, 1, "")
        trial = _Trial(executor, folder, typical, _largest_more(config, dataset, spec) + more)

        def attempt(number: int) -> Throughput | None:
            tell(PhaseStarted(f"trying {number} candidate{'s' * (number > 1)} at once on a GPU"))
            found = trial.run(number)
            if isinstance(found, str):
                tell(Told(f"{number} at once on a GPU: {found}"))
                return None
            return found

        return settled(attempt, most)


def few_examples(config: RunConfig, dataset: Dataset) -> Dataset:
    """The first of the data, for a few batches: one fold, whose training examples validate, too."""
    train = dataset.folds[0].train
    pool = train.take(slice(0, min(len(train), _NUM_BATCHES * config.dataset.batch_size)))
    return replace(dataset, full_train=pool, folds=[Fold(pool, slice(0, len(pool)), slice(0, 0))], test=None)


def typical_cell(config: RunConfig, spec: NetworkSpec) -> Cell:
    """Of some cells as large as the search's largest, most of which a search trains, the one of middling
    FLOPs."""
    space = config.space
    drawn = space.decode(space.random_cells(_NUM_DRAWN, space.num_blocks, np.random.default_rng(0)))
    return sorted(drawn, key=lambda cell: (network_cost(cell, spec).flops, cell.key))[_NUM_DRAWN // 2]


def _largest_more(config: RunConfig, dataset: Dataset, spec: NetworkSpec) -> int:
    """How many bytes more than the typical cell the largest takes to train at most."""
    batch_size = min(config.dataset.batch_size, len(dataset.train))
    typical = fits.need_of(typical_cell(config, spec), spec, batch_size).peak
    return max(fits.most_bytes(config, dataset) - typical, 0)


class _Trial:
    """One cell trained by several processes on a device at once, more of them each time; the largest takes
    `more` bytes beside what that one does."""

    def __init__(self, executor: Executor, folder: Path, typical: Awhile, more: int) -> None:
        self.executor, self.folder, self.typical, self.more = executor, folder, typical, more

    def run(self, number: int) -> Throughput | str:
        """What came of so many at once; why they could not be trained, in a line."""
        meeting = self.folder / f"meeting-{number}"
        meeting.mkdir()
        told = (
            replace(self.typical, number=index, size=number, meeting=str(meeting)) for index in range(number)
        )
        jobs = [Job(str(each.number), each.to_json()) for each in told]
        answers, failures = list[Counted](), list[str]()
        try:
            for result in self.executor.run(jobs):
                if result.value is None:
                    failures.append(str(result.error))
                    (meeting / GONE).touch()
                else:
                    answers.append(Counted.from_json(result.value))
        except ExecutorError as error:  # so many processes are too many for this machine
            failures.append(str(error))
        if failures:
            return failures[0].partition("\n")[0]
        steps = sum(answer.steps / answer.seconds for answer in answers)
        return Throughput(steps, room(answers, self.more))


def room(answers: Sequence[Counted], more: int) -> int:
    """For how many processes there is memory if each takes `more` bytes beside what these did."""
    taken = max(answer.taken for answer in answers) + fits.CONTEXT_BYTES
    free = min(answer.free for answer in answers)
    # What other programs hold now is not counted on, and neither is a rest that lies in pieces.
    return int((free + len(answers) * taken) * (1 - _SPARE) // (taken + more))
