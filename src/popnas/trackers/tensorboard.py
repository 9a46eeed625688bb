"""TensorBoard event files, written without TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from popnas.trackers._tracker import REGISTRY, Scope, Tracker

_FLUSH_SECONDS = 10.0
"""A flush waits for the disk: rarely enough to cost nothing, often enough to watch a long training."""
_EVENTS = "events"


def remove_event_files(folder: Path) -> None:
    """Remove the event files of an earlier training; what else lies there is not ours."""
    for path in folder.glob(f"{_EVENTS}.out.tfevents.*"):
        path.unlink(missing_ok=True)


@REGISTRY.register("tensorboard", description="event files for TensorBoard in the training's folder")
class TensorBoardTracker(Tracker):
    """One event file per training in the folder `tensorboard` of its own, made at the first figure.

    A run as a whole has none. It goes round tensorboardX's SummaryWriter, whose background thread ends on a
    full disk while `close` waits for it for ever.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.folder = scope.folder / "tensorboard" / scope.part
        self._events: Any = None
        self._flushed = time.monotonic()
        if scope.kind == "training":  # what an earlier attempt told is told again
            remove_event_files(self.folder)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        if self.scope.kind == "run":
            return
        # Imported here: tensorboardX imports torch where it finds it.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        if self._events is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._events = EventsWriter(str(self.folder / _EVENTS))
        figures = [Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
        self._events.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=figures)))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._events.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """See `Tracker`."""
        if self._events is not None:
            events, self._events = self._events, None
            events.close()
