"""What is kept of a job, one JSON file each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from popnas.records import Record

State = Literal["queued", "running", "stopping", "finished", "failed", "stopped"]
Stage = Literal["search", "select", "train", "evaluate"]

ACTIVE: frozenset[State] = frozenset({"running", "stopping"})
OPEN: frozenset[State] = ACTIVE | {"queued"}


@dataclass(frozen=True)
class RunJob(Record):
    """A command of popnas for a run.

    Attributes:
        number: counts from 1, in the order in which jobs came.
        run: the run's name.
        stage: the command.
        arguments: all of the command line, the command first.
        state: "stopped" is what somebody asked to end, "failed" what ended with another status than 0.
        created, started, ended: seconds since 1970.
        exit_status: as of a process; None: it was killed, or has not ended.
        stop_asked: when somebody asked to end it.
        stop_told: when its process was told so; None: it has not been yet.
    """

    number: int
    run: str
    stage: Stage
    arguments: tuple[str, ...]
    state: State
    created: float
    started: float | None = None
    ended: float | None = None
    exit_status: int | None = None
    stop_asked: float | None = None
    stop_told: float | None = None
