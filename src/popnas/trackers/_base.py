"""The contract of all trackers: figures by name, epoch by epoch."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from popnas.registry import Registry

_LOG = logging.getLogger(__name__)


class Tracker(ABC):
    """Takes the figures of one training; a context manager.

    A log is for looking at and no result: what fails (a full disk, a library) is noted in `failure`, in
    words, and the rest is dropped, so that the training goes on.

    Args:
        folder: the training's own folder, for trackers that write files; made if needed.
    """

    failure: str | None = None

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Take figures of an epoch, named like "loss/train"."""
        self._guarded(lambda: self._write(values, epoch))

    def close(self) -> None:
        """Finish the log; safe to call twice."""
        self._guarded(self._finish)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _write(self, values: Mapping[str, float], epoch: int) -> None:
        """Write the figures; whatever this raises ends the log."""

    @abstractmethod
    def _finish(self) -> None:
        """Flush and close; called at least once, perhaps without a `_write` before."""

    def _guarded(self, action: Callable[[], None]) -> None:
        if self.failure is not None:
            return
        try:
            action()
        except Exception as error:  # trackers come from elsewhere, too
            reason = error.strerror if isinstance(error, OSError) else None
            self.failure = reason or f"{type(error).__name__}: {error}"
            _LOG.warning("the log in %s ends here: %s", self.folder, self.failure)


REGISTRY: Registry[type[Tracker]] = Registry("tracker", "popnas.trackers", "popnas.trackers")
