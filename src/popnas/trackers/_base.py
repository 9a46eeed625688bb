"""The trackers of one scope, told together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from popnas.records import Json
from popnas.trackers._thread import Message, TrackerThread
from popnas.trackers._tracker import REGISTRY, Scope, TrackedNetwork, Tracker

T = TypeVar("T")


def check(names: Sequence[str]) -> None:
    """Refuse trackers that cannot work here, before anything is done.

    Raises:
        UserError: a package or a setting of the environment is missing.
    """
    for name in names:
        REGISTRY.get(name).check()


def local(names: Sequence[str]) -> list[str]:
    """Those of the trackers that write into the folder of what they track."""
    return [name for name in names if not REGISTRY.get(name).is_remote]


class Trackers:
    """The trackers of one scope, by name; a context manager.

    Nothing that one raises gets out, and nobody waits for one, but for a few seconds at the end.
    `failures`: why a tracker's log ended early or is not whole, in words, by its name; after `close`.
    """

    def __init__(self, names: Sequence[str], scope: Scope) -> None:
        self.scope = scope
        self._lines = {
            name: TrackerThread(name, str(scope.folder), partial(_made, name, scope)) for name in names
        }

    @property
    def failures(self) -> dict[str, str]:
        """See the class."""
        return {name: line.failure for name, line in self._lines.items() if line.failure is not None}

    def params(self, values: Json) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.params(values))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.metrics(values, step))

    def networks(self, items: Sequence[T], made: Callable[[T], TrackedNetwork]) -> None:
        """All of them, each `made` of its item, in the tracker's thread, when it is its turn: its figures as
        those of the run at its number, and the network. However many there are, they find room."""
        for line in self._lines.values():
            line.tell_all(_messages(items, made), 2 * len(items))

    def artifact(self, path: Path) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.artifact(path))

    def status(self, status: str) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.status(status))

    def close(self) -> None:
        """See `Tracker`; safe to call twice."""
        for line in self._lines.values():
            line.close()

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.status("failed" if issubclass(kind, Exception) else "interrupted")
        self.close()

    def _each(self, message: Message) -> None:
        for line in self._lines.values():
            line.tell(message)


def _messages(items: Sequence[T], made: Callable[[T], TrackedNetwork]) -> Iterator[Message]:
    for network in map(made, items):
        yield partial(_tell_figures, network)
        yield partial(_tell_network, network)


def _tell_figures(network: TrackedNetwork, tracker: Tracker) -> None:
    tracker.metrics(network.figures, network.number)


def _tell_network(network: TrackedNetwork, tracker: Tracker) -> None:
    tracker.network(network)


def _made(name: str, scope: Scope) -> Tracker:
    return REGISTRY.get(name)(scope)
