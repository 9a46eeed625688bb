"""The contract of all trackers: what they are told of a run and its trainings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from popnas.errors import PopnasError
from popnas.records import Json
from popnas.registry import Registry
from popnas.trackers._figures import read_epochs


class UnreachableError(PopnasError):
    """What a tracker writes to does not answer now: the same message is tried again later."""


@dataclass(frozen=True)
class Scope:
    """What is tracked: a whole run, or one training in it; `folder` is its own, `part` one of its folds.

    `run`: which run it is or belongs to (`runs.identity`), `name` what that is called; of a training that
    stands alone neither. `is_anew`: a training that begins, where another may have been before it.
    """

    kind: Literal["run", "training"]
    folder: Path
    part: str = ""
    run: str | None = None
    name: str = ""
    is_anew: bool = False


@dataclass(frozen=True)
class TrackedNetwork:
    """A network of a run whose training is over.

    Attributes:
        number: which of the run's it is, counted from 1 as they were done.
        name: unique in the run, the same at each attempt.
        params: settings, JSON values by name.
        figures: what was measured of it, by name.
        folder: its files; it may be missing.
        status: "completed" or why it failed.
    """

    number: int
    name: str
    params: Json
    figures: Mapping[str, float]
    folder: Path
    status: str = "completed"

    def epochs(self) -> list[dict[str, float]]:
        """Figures of each epoch, read from its folder; none where these are not there or damaged."""
        return read_epochs(self.folder)


class Tracker(ABC):
    """Takes what one scope tells, in a thread of its own; a method that it has no use for does nothing.

    A log is for looking at and no result. A method that raises UnreachableError is called again with the same
    later; whatever else one raises ends this tracker's log, and nothing else. A training that goes on tells
    its earlier epochs again, a search that goes on its earlier networks: pass over what is there already.

    `is_remote`: it writes to somewhere else than the run's folder. Workers of a search do not open it then:
    networks of the search come to that of the run when they are done (`network`).
    """

    is_remote: ClassVar[bool] = False

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def place(self, path: Path) -> str:
        """Where a file lies in the scope's folder: "plots/step_overview.png"."""
        folder = self.scope.folder
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name

    @classmethod  # noqa: B027 - see the class
    def check(cls) -> None:
        """Refuse a machine on which it cannot work, before anything is done.

        Raises:
            UserError: a package or a setting of the environment is missing.
        """

    def params(self, values: Json) -> None:  # noqa: B027 - see the class
        """Settings, JSON values by name: once, at the beginning."""

    @abstractmethod
    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Figures by name ("validation/accuracy") of an epoch or (run) of a candidate, counted from 1."""

    def network(self, network: TrackedNetwork) -> None:  # noqa: B027 - see the class
        """A network of the search is done (run)."""

    def artifact(self, path: Path) -> None:  # noqa: B027 - see the class
        """A file of the scope's folder that is whole now."""

    def status(self, status: str) -> None:  # noqa: B027 - see the class
        """How it ended, in a word ("completed", "max_hours", "failed", "interrupted"): last."""

    @abstractmethod
    def close(self) -> None:
        """Flush and end; called once, perhaps after nothing else."""


REGISTRY: Registry[type[Tracker]] = Registry("tracker", "popnas.trackers", "popnas.trackers")
