"""What driver and workers say to one another: each kind of message is one record, with its kind's name on the
way.
"""

from __future__ import annotations

from dataclasses import dataclass

from popnas.executors._telling import Misread, Progress
from popnas.records import Json, Record


@dataclass(frozen=True)
class Handed(Record):
    """To a worker: a job, by its id."""

    id: str
    payload: Json


@dataclass(frozen=True)
class Ready(Record):
    """From a worker: it is set up; `node`: on which one of a cluster; `warnings`: what was warned of."""

    node: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetupFailed(Record):
    """From a worker, its last: setup raised that exception."""

    error: str
    traceback: str


@dataclass(frozen=True)
class Stop(Record):
    """From a worker, its last: an error of `PASSED_ON`, by its name there."""

    name: str
    error: str


@dataclass(frozen=True)
class Advanced(Record):
    """From a worker: how far its job is."""

    progress: Progress | Misread


@dataclass(frozen=True)
class Failure(Record):
    """Why a job has no value, as in a `Result`."""

    error: str
    error_kind: str
    traceback: str | None = None


@dataclass(frozen=True)
class Ended(Record):
    """From a worker: what the evaluate function returned, or why it did not, and what was warned of."""

    value: Json | None
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()


Answer = Ready | SetupFailed | Stop | Advanced | Ended
_ANSWERS: dict[str, type[Answer]] = {
    "ready": Ready,
    "setup_failed": SetupFailed,
    "stop": Stop,
    "progress": Advanced,
    "result": Ended,
}
_NAMES = {kind: name for name, kind in _ANSWERS.items()}


def packed(answer: Answer) -> Json:
    """An answer as it goes to the driver."""
    return {_NAMES[type(answer)]: answer.to_json()}


def unpacked(message: Json) -> Answer:
    """The inverse of `packed`."""
    ((name, content),) = message.items()
    assert isinstance(content, dict)
    return _ANSWERS[name].from_json(content)
