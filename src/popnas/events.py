"""What jobs tell while they run: one stream of small frozen events, and whoever listens to it.

A job is handed a `Listen`, a function, and tells it what happens; a bar on a terminal, a log, the progress
file of a run are such functions, `both` joins them. An event says what is the case, never how it looks: a
warning is an event of its own and not a text that begins so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from popnas.evaluation import Evaluation


@dataclass(frozen=True)
class Told:
    """Something worth a line: a decision, a result."""

    text: str


NOTE = "Note: "
"""What the text of a `Warned` begins with where it hurts nothing, such as how data were read."""


@dataclass(frozen=True)
class Warned:
    """Something that a user should know, though the job goes on."""

    text: str


@dataclass(frozen=True)
class PhaseStarted:
    """What is going on now: loading data, fitting predictors; `total`: in so many pieces, None: in one."""

    text: str
    total: int | None = None


@dataclass(frozen=True)
class PhaseAdvanced:
    """So many pieces of the phase are done; `what` the next one is; estimated wall seconds of all that are
    left, None: no estimate."""

    done: int
    what: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True)
class RunOpened:
    """The run's folder exists: from now on the job can be resumed."""

    folder: Path


@dataclass(frozen=True)
class StepStarted:
    """The candidates of a step's round (0 is the first) are known; `num_done` of them were evaluated before
    an interruption."""

    step: int
    num_candidates: int
    num_done: int
    round_number: int = 0
    num_rounds: int = 1


@dataclass(frozen=True)
class EpochFinished:
    """A network that trains now has trained for `epoch` of `num_epochs`; `what`: which one, the index of a
    candidate in its step or the folder of a model. Of what a worker tells only the newest counts."""

    what: str
    epoch: int
    num_epochs: int


@dataclass(frozen=True)
class SecondsLeft:
    """Estimated wall seconds until the step's and the whole search's candidates are evaluated and its best
    cells confirmed; None = no honest estimate yet. `limit`: until the search's time limit ends it, whatever
    is done by then; None: it has none."""

    step: float | None
    search: float | None
    limit: float | None = None


@dataclass(frozen=True)
class CandidateFinished:
    """A candidate has its result on disk."""

    evaluation: Evaluation
    seconds_left: SecondsLeft


@dataclass(frozen=True)
class StepFinished:
    """All candidates of a step are evaluated."""

    step: int


@dataclass(frozen=True)
class ConfirmationStarted:
    """The best cells are trained again with other seeds: so many networks are still to train, which takes so
    long as far as the search's own trainings of these cells tell."""

    num_networks: int
    seconds_left: SecondsLeft


@dataclass(frozen=True)
class ConfirmationFinished:
    """One of these networks is trained."""

    seconds_left: SecondsLeft


@dataclass(frozen=True)
class TrainingsStarted:
    """Networks are trained after the search: their folders, and how many epochs each is trained. How far
    one is stands in the `training.json` of its folder, too, a second later at most. `limit`: wall seconds
    until their time limit ends them; None: they have none. `epochs`: of each folder, where they have not all
    `num_epochs`."""

    folders: tuple[Path, ...]
    num_epochs: int
    limit: float | None = None
    epochs: tuple[int, ...] = ()

    @property
    def epochs_of_each(self) -> tuple[int, ...]:
        """In the order of the folders."""
        return self.epochs or (self.num_epochs,) * len(self.folders)


@dataclass(frozen=True)
class ModelFinished:
    """One of them is done; `text` tells how good it is, or why it failed."""

    folder: Path
    text: str


@dataclass(frozen=True)
class JobLeft:
    """Estimated wall seconds until the whole job is done of which this stage is a part."""

    seconds: float


JobEvent = (
    Told
    | Warned
    | PhaseStarted
    | PhaseAdvanced
    | RunOpened
    | StepStarted
    | EpochFinished
    | CandidateFinished
    | StepFinished
    | ConfirmationStarted
    | ConfirmationFinished
    | TrainingsStarted
    | ModelFinished
    | JobLeft
)
Listen = Callable[[JobEvent], None]

KINDS: Sequence[type[JobEvent]] = get_args(JobEvent)
"""All kinds of events."""


def name_of(kind: type[JobEvent]) -> str:
    """What a kind of event is called where events are written: "candidate_finished"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def described(event: JobEvent) -> tuple[str, dict[str, Any]]:
    """An event's name and its fields as JSON has them; an Evaluation without what differs between equal
    runs."""
    return name_of(type(event)), {item.name: _plain(getattr(event, item.name)) for item in fields(event)}


def _plain(value: Any) -> Any:
    match value:
        case Path():
            return str(value)
        case tuple():
            return [_plain(item) for item in value]
        case Evaluation():
            return value.content()
        case SecondsLeft():
            return asdict(value)
    return value


def nobody(event: JobEvent) -> None:
    """Listens to nothing."""


def both(one: Listen, other: Listen) -> Listen:
    """Tell two listeners, one after the other."""

    def tell(event: JobEvent) -> None:
        one(event)
        other(event)

    return tell
