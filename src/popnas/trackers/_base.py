"""The contract of all trackers: what a run and its trainings are, and how they go."""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from popnas import files
from popnas.registry import Registry

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scope:
    """What is tracked: a whole run, or one training in it; `folder` is its own, `part` one of its folds."""

    kind: Literal["run", "training"]
    folder: Path
    part: str = ""


class Tracker(ABC):
    """Takes what one scope tells; a method that a tracker has no use for does nothing.

    A log is for looking at and no result: whatever a method raises ends this tracker's log, and nothing else.
    A training that goes on tells its earlier epochs again.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def params(self, values: Mapping[str, Any]) -> None:  # noqa: B027 - see the class
        """Settings, JSON values by name: once, at the beginning."""

    @abstractmethod
    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Figures by name ("validation/accuracy") of an epoch or (run) of a candidate, counted from 1."""

    def artifact(self, path: Path) -> None:  # noqa: B027 - see the class
        """A file or folder that is whole now."""

    def status(self, status: str) -> None:  # noqa: B027 - see the class
        """How it ended, in a word ("completed", "max_hours", "failed", "interrupted"): last."""

    @abstractmethod
    def close(self) -> None:
        """Flush and end; called once, perhaps after nothing else."""


REGISTRY: Registry[type[Tracker]] = Registry("tracker", "popnas.trackers", "popnas.trackers")


class Trackers:
    """The trackers of one scope, by name; a context manager. Nothing that one raises gets out.

    `failures`: why a tracker's log ended early, in words, by its name.
    """

    def __init__(self, names: Sequence[str], scope: Scope) -> None:
        self.scope = scope
        self.failures: dict[str, str] = {}
        self._open: dict[str, Tracker] = {}
        for name in names:
            self._guarded(name, partial(self._make, name))

    def params(self, values: Mapping[str, Any]) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.params(values))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.metrics(values, step))

    def artifact(self, path: Path) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.artifact(path))

    def status(self, status: str) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.status(status))

    def close(self) -> None:
        """See `Tracker`; safe to call twice."""
        self._each(lambda tracker: tracker.close())
        self._open.clear()

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.status("failed" if issubclass(kind, Exception) else "interrupted")
        self.close()

    def _make(self, name: str) -> None:
        self._open[name] = REGISTRY.get(name)(self.scope)

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._guarded(name, partial(tell, tracker))

    def _guarded(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # trackers come from elsewhere, too
            is_of_system = isinstance(error, OSError)
            self.failures[name] = files.reason(error) if is_of_system else f"{type(error).__name__}: {error}"
            _LOG.warning("%s of %s ends here: %s", name, self.scope.folder, self.failures[name])
            # Closed for what it holds; what it says then is of no interest.
            failed = self._open.pop(name, None)
            if failed is not None:
                with contextlib.suppress(Exception):
                    failed.close()
