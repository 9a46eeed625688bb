"""TensorBoard event files, written without TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from popnas.trackers._base import REGISTRY, Tracker

_FLUSH_SECONDS = 10.0
"""A flush waits for the disk: rarely enough to cost nothing, often enough to watch a long training."""
_EVENTS = "events"


def remove_event_files(folder: Path) -> None:
    """Remove the event files of an earlier training; what else lies there is not ours."""
    for path in folder.glob(f"{_EVENTS}.out.tfevents.*"):
        path.unlink(missing_ok=True)


@REGISTRY.register("tensorboard", description="event files for TensorBoard in the training's folder")
class TensorBoardTracker(Tracker):
    """One event file in `folder`, made at the first figure.

    It goes round tensorboardX's SummaryWriter, whose background thread ends on a full disk while `close`
    waits for it for ever.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder)
        self._events: Any = None
        self._flushed = time.monotonic()

    def _write(self, values: Mapping[str, float], epoch: int) -> None:
        # Imported here: tensorboardX imports torch where it finds it.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        if self._events is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._events = EventsWriter(str(self.folder / _EVENTS))
        figures = [Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
        self._events.write_event(Event(wall_time=time.time(), step=epoch, summary=Summary(value=figures)))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._events.flush()
            self._flushed = time.monotonic()

    def _finish(self) -> None:
        if self._events is not None:
            events, self._events = self._events, None
            events.close()


class Epoch(Protocol):
    """What is logged of an epoch (`training.EpochRecord` has it)."""

    @property
    def loss(self) -> float:
        """Mean training loss."""

    @property
    def learning_rate(self) -> float:
        """The epoch's last learning rate."""

    @property
    def head_metrics(self) -> Sequence[Mapping[str, float]]:
        """Metrics per output, the main one last: of validation data, or of training batches without."""

    @property
    def training_seconds(self) -> float:
        """Seconds in training."""


def write_epochs(folder: str | Path, epochs: Iterable[Epoch]) -> str | None:
    """Write the log of a whole training at once: by epoch, from 1. Returns why it failed, if it did."""
    with TensorBoardTracker(folder) as tracker:
        for number, epoch in enumerate(epochs, start=1):
            tracker.log(epoch_figures(epoch), number)
    return tracker.failure


def epoch_figures(epoch: Epoch, metrics_of: str = "validation") -> dict[str, float]:
    """An epoch's figures by the names that they have in the log; `metrics_of`: the data of its metrics."""
    figures = {
        "loss": epoch.loss,
        "learning_rate": epoch.learning_rate,
        "training_seconds": epoch.training_seconds,
    }
    *others, main = epoch.head_metrics
    figures |= {f"{metrics_of}/{name}": value for name, value in main.items()}
    for head, metrics in enumerate(others):
        figures |= {f"{metrics_of}_head_{head}/{name}": value for name, value in metrics.items()}
    return figures
