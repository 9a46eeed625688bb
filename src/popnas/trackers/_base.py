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

    A log is for looking at and no result: where the place that it goes to refuses it (a full disk), a warning
    is logged once and the rest is dropped, so that the training goes on.

    Args:
        folder: the training's own folder, for trackers that write files; made if needed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._has_failed = False

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
        """Write the figures, or raise OSError."""

    @abstractmethod
    def _finish(self) -> None:
        """Flush and close, or raise OSError; called at least once, perhaps without a `_write` before."""

    def _guarded(self, action: Callable[[], None]) -> None:
        if self._has_failed:
            return
        try:
            action()
        except OSError as error:
            self._has_failed = True
            _LOG.warning("the log in %s ends here: %s", self.folder, error)


REGISTRY: Registry[type[Tracker]] = Registry("tracker", "popnas.trackers", "popnas.trackers")
