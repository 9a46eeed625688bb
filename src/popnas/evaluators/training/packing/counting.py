"""In a worker: the steps that a process does beside others that train the same network on its device."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from popnas import networks, resources, training
from popnas.cells import Cell
from popnas.evaluators.training.context import CandidateContext
from popnas.records import Json, Record
from popnas.training import EpochRecord

_SECONDS, _LEAST_EPOCHS, _MOST_EPOCHS = 2.0, 2, 10_000
"""So long, and for so many epochs at least, steps are counted."""
_POLL_SECONDS = 0.005
MEETING_SECONDS = 300.0
"""A process that has not begun by then (importing torch, reaching the GPU, a first epoch) will not."""
GONE = "gone"
"""The mark of one that has failed: nobody waits for it."""


@dataclass(frozen=True)
class Awhile(Record):
    """What one process of several is told: train the network of `cell` in the way of a training of so many
    `steps`, and count from when all `size` of them have left their mark in the folder `meeting`."""

    cell: str
    steps: int
    number: int
    size: int
    meeting: str


@dataclass(frozen=True)
class Counted(Record):
    """What it answers: `steps` in so many `seconds`; the bytes that PyTorch took of the GPU, and those that
    were free there at the end, with all others at work."""

    steps: int
    seconds: float
    taken: int
    free: int


def evaluate(context: CandidateContext, payload: Json) -> Json:
    """Train for a while: an `Awhile` as JSON -> a `Counted` as JSON. `context` is `candidate.setup`'s."""
    told = Awhile.from_json(payload)
    counting = _Counting(told)
    config, dataset, place = context.config, context.dataset, context.placement
    is_gpu = place.device.type == "cuda"
    if is_gpu:
        torch.cuda.reset_peak_memory_stats(place.device)
    torch.manual_seed(0)
    loader = context.task.train_loader(config, dataset, dataset.folds[0].train, place, seed=0)
    training.fit(
        networks.build(Cell.parse(told.cell), context.spec),
        loader,
        None,
        context.criteria,
        context.settings.replace(epochs=_MOST_EPOCHS),
        place,
        training.Course(seed=0, on_epoch=counting.end_epoch, num_steps=told.steps),
    )
    taken = torch.cuda.max_memory_reserved(place.device) if is_gpu else 0
    free = torch.cuda.mem_get_info(place.device)[0] if is_gpu else resources.free_memory()
    return Counted(counting.num_epochs * len(loader), counting.seconds, taken, free).to_json()


class _Counting:
    """Epochs of one process from when all others have trained one, too."""

    def __init__(self, told: Awhile) -> None:
        self.told, self.num_epochs, self.seconds = told, 0, 0.0
        self._began: float | None = None

    def end_epoch(self, record: EpochRecord, snapshot: Any) -> bool:
        """Whether that was the last one. The loss has been read, so that the device has done all of it."""
        if self._began is None:
            self._meet()
            self._began = time.monotonic()
            return False
        self.num_epochs += 1
        self.seconds = time.monotonic() - self._began
        return self.seconds >= _SECONDS and self.num_epochs >= _LEAST_EPOCHS

    def _meet(self) -> None:
        meeting = Path(self.told.meeting)
        (meeting / str(self.told.number)).touch()
        deadline = time.monotonic() + MEETING_SECONDS
        while True:
            marks = {path.name for path in meeting.iterdir()}
            if GONE in marks:
                raise RuntimeError("another of the processes has failed")
            if len(marks) >= self.told.size:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all {self.told.size} processes came")
            time.sleep(_POLL_SECONDS)
