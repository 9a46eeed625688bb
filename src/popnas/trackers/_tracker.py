"""The contract of all trackers: what they are told of a run and its trainings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from popnas.errors import PopnasError
from popnas.records import Json
from popnas.registry import Registry


class UnreachableError(PopnasError):
    """What a tracker writes to does not answer now: the same message is tried again later."""


@dataclass(frozen=True)
class Scope:
    """What is tracked: a whole run, or one training in it; `folder` is its own, `part` one of its folds.

    `run`: which run it is or belongs to (`runs.identity`), `name` what that is called; of a training that
    stands alone neither.
    """

    kind: Literal["run", "training"]
    folder: Path
    part: str = ""
    run: str | None = None
    name: str = ""


@dataclass(frozen=True)
class TrackedNetwork:
    """A network of a run whose training is over.

    Attributes:
        name: unique in the run, the same at each attempt.
        params: settings, JSON values by name.
        figures: what was measured of it, by name.
        epochs: figures of each epoch, as far as they are known.
        status: "completed" or why it failed.
        folder: its files; it may be missing.
    """

    name: str
    params: Json
    figures: Mapping[str, float]
    epochs: Sequence[Mapping[str, float]] = ()
    status: str = "completed"
    folder: Path = field(default_factory=Path)


class Tracker(ABC):
    """Takes what one scope tells, in a thread of its own; a method that it has no use for does nothing.

    A log is for looking at and no result. A method that raises UnreachableError is called again with the same
    later; whatever else one raises ends this tracker's log, and nothing else. A training that goes on tells
    its earlier epochs again, a search that goes on its earlier networks.

    `is_remote`: it writes to somewhere else than the run's folder. Workers of a search do not open it then:
    networks of the search come to that of the run, with all their epochs, when they are done (`network`).
    """

    is_remote: ClassVar[bool] = False

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

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
        """A file or folder that is whole now."""

    def status(self, status: str) -> None:  # noqa: B027 - see the class
        """How it ended, in a word ("completed", "max_hours", "failed", "interrupted"): last."""

    @abstractmethod
    def close(self) -> None:
        """Flush and end; called once, perhaps after nothing else."""


REGISTRY: Registry[type[Tracker]] = Registry("tracker", "popnas.trackers", "popnas.trackers")
