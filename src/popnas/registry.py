"""A typed registry per family of parts: operators, data sources, tasks, predictors, executors,
macro-architectures.

A part is one new file in its family's package with a declaration; the registry finds it by importing the
package's modules on first use. Users' own parts come in through Python entry points of the family's group.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from popnas.errors import PopnasError, UnknownNameError, nearest

T = TypeVar("T")
P = TypeVar("P")


def _of_broken(point: EntryPoint, error: Exception) -> str:
    package = "" if point.dist is None else point.dist.name
    remedy = f" Mend the package {package}, or uninstall it: pip uninstall {package}" if package else ""
    return (
        f"the entry point '{point.name}' of the group '{point.group}' ({point.value}) could not be loaded: "
        f"{type(error).__name__}: {str(error).rstrip('.')}.{remedy}"
    )


@dataclass(frozen=True)
class PlugIn:
    """An installed entry point of popnas: its `name`, its `group` (the family), the package that brings it;
    `broken`: why it cannot be loaded and what helps, None: it can."""

    name: str
    group: str
    package: str
    version: str
    broken: str | None


GROUPS = (
    "popnas.datasets",
    "popnas.evaluators",
    "popnas.executors",
    "popnas.figures",
    "popnas.networks",
    "popnas.objectives",
    "popnas.operators",
    "popnas.predictors",
    "popnas.tasks",
    "popnas.trackers",
)
"""The entry point groups of all families."""


def plug_ins() -> list[PlugIn]:
    """The parts of others that are installed here, each loaded to see whether it can be."""
    found = []
    for group in GROUPS:
        for point in sorted(entry_points(group=group)):
            broken = None
            try:
                point.load()
            except Exception as error:
                broken = _of_broken(point, error)
            package, version = ("", "") if point.dist is None else (point.dist.name, point.dist.version)
            found.append(PlugIn(point.name, group, package, version, broken))
    return found


class Registry(Generic[T]):
    """Named parts of one family.

    `family` is the word used in messages ("predictor"); `package` is the dotted name of the package whose
    modules declare the parts (those that start with "_" are skipped); `group` is the entry
    point group of users' own parts. A user's part that cannot be loaded is an error for whoever asks, as
    results may depend on it; of a family that only shows results (`is_of_views`) the others go on, and
    `broken` says (sentences) what is missing.
    """

    def __init__(self, family: str, package: str, group: str, *, is_of_views: bool = False) -> None:
        self.family = family
        self.package = package
        self.group = group
        self.broken: list[str] = []
        self._is_of_views = is_of_views
        self._parts: dict[str, tuple[T, str]] = {}
        self._is_discovered = False
        # Reentrant: the modules that discovery imports may ask the registry that they declare themselves in.
        self._lock = threading.RLock()
        self._is_discovering = False

    def register(self, name: str, *, description: str) -> Callable[[P], P]:
        """Declare the decorated object as the part `name`; a name can be taken only once."""

        def declare(part: P) -> P:
            known = self._parts.get(name)
            if known is not None and known[0] is not part:
                raise PopnasError(
                    f"two {self.family}s are named '{name}': {known[0]!r} and {part!r}; rename one of them"
                )
            self._parts[name] = (part, description)  # type: ignore[assignment]
            return part

        return declare

    def _discover(self) -> None:
        """Import every module that declares parts: once, whole, before any thread is answered.

        After a failure it is tried again, so that a broken plug-in is told each time and never just missing.
        """
        if self._is_discovered:
            return
        with self._lock:
            if self._is_discovered or self._is_discovering:
                return
            self._is_discovering = True
            try:
                self._import_all()
                self._is_discovered = True
            finally:
                self._is_discovering = False

    def _import_all(self) -> None:
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        # Loading an entry point imports the user's module, whose declaration registers the part.
        for point in entry_points(group=self.group):
            before = dict(self._parts)
            try:
                point.load()
            except Exception as error:
                self._parts = before  # its module is run again at the next attempt
                words = _of_broken(point, error)
                if not self._is_of_views:
                    raise PopnasError(words) from error
                self.broken.append(words)

    def names(self) -> list[str]:
        """All names, sorted."""
        self._discover()
        return sorted(self._parts)

    def items(self) -> Iterator[tuple[str, T]]:
        """(name, part) pairs in order of name."""
        for name in self.names():
            yield name, self._parts[name][0]

    def get(self, name: str) -> T:
        """The part of that name.

        Raises:
            UnknownNameError: no part bears it; the message lists the choices.
        """
        self._discover()
        if not isinstance(name, str) or name not in self._parts:
            choices = self.names()
            raise UnknownNameError(
                f"unknown {self.family} '{name}'.{nearest(name, choices)} Choose one of: {', '.join(choices)}"
            )
        return self._parts[name][0]

    def description(self, name: str) -> str:
        """The one-line description that the part was declared with."""
        self.get(name)
        return self._parts[name][1]
