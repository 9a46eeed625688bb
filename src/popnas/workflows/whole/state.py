"""What a whole job is, and how far it is: `e2e.json` in its run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from popnas.command_lines import as_typed
from popnas.errors import RunFolderError
from popnas.printable import quoted
from popnas.records import FormError, Json, Record
from popnas.runs import identity
from popnas.runs.stored.reading import is_there, read_record
from popnas.runs.stored.rules import (
    has,
    is_amount,
    is_object,
    is_text,
    list_of,
    mapping_of,
    or_none,
    whole,
)
from popnas.storage import write_json
from popnas.workflows.models.choices import MOST_MEMBERS
from popnas.workflows.whole.costs import Expectation
from popnas.workflows.whole.request import STAGES, stages_to

_RULES = {
    "request": has(
        {
            "num_cells": whole(1),
            "params": or_none(is_text),
            "batch_size": or_none(whole(1)),
            "ensemble": or_none(whole(2, MOST_MEMBERS)),
            "max_params": or_none(whole(1)),
        }
    ),
    "max_hours": or_none(is_amount),
    "spent_seconds": is_amount,
    "search_seconds": or_none(is_amount),
    "configs": lambda value: (
        mapping_of(has({"dataset": is_object}))(value) and value.keys() <= {"selection", "training"}
    ),
    "finished": lambda value: mapping_of(is_amount)(value) and value.keys() <= set(STAGES),
    "cuts": list_of(is_text),
}


def _is_expectation(value: Any) -> bool:
    try:
        return is_object(value) and Expectation.from_json(value).costs.keys() <= set(STAGES)
    except FormError:
        return False


_MAY = {
    "selection_until": is_amount,
    "training_until": is_amount,
    # Not there in jobs of earlier versions:
    "workers_per_gpu": or_none(whole(1)),
    "last": lambda value: value in STAGES,
    "started": lambda value: mapping_of(is_amount)(value) and value.keys() <= set(STAGES),
    "expected": _is_expectation,
}


@dataclass(frozen=True)
class _Asking(Record):
    """What of the request is asked for again when a stage begins."""

    num_cells: int
    params: str | None = None
    batch_size: int | None = None
    ensemble: int | None = None
    max_params: int | None = None


@dataclass(frozen=True, kw_only=True)
class _StoredJob(Record):
    """`e2e.json`. Jobs of earlier versions do not say what has a default."""

    last: str = STAGES[-1]
    max_hours: float | None
    configs: Mapping[str, Json]
    spent_seconds: float
    search_seconds: float | None
    workers_per_gpu: int | None = None
    started: Mapping[str, float] = field(default_factory=dict)
    finished: Mapping[str, float]
    expected: Expectation = field(default_factory=Expectation)
    cuts: list[str]
    request: _Asking
    selection_until: float | None = None
    training_until: float | None = None
    run: str | None = None


_LIMITED = ("selection", "training")
"""Stages that have a limit of their own once it is decided."""


@dataclass
class JobState:
    """A job: what was asked, the configuration of each stage after the search (JSON, by stage), what is done.

    `spent_seconds`: since its start, without the times between an interruption and its going on; in these
    also when stages were `started` and `finished`, and how long they have (`until`); `search_seconds`: the
    search's share of `max_hours`; `workers_per_gpu`: how many of its candidates gain by sharing one, None
    where that was not tried; `cuts`: what was cut to keep that; `expected`: how long all takes.
    """

    num_cells: int
    params: str | None
    batch_size: int | None
    last: str
    max_hours: float | None
    configs: dict[str, Json]
    spent_seconds: float = 0.0
    search_seconds: float | None = None
    workers_per_gpu: int | None = None
    started: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)
    ensemble: int | None = None
    max_params: int | None = None
    expected: Expectation = field(default_factory=Expectation)
    cuts: list[str] = field(default_factory=list)

    @property
    def stages(self) -> tuple[str, ...]:
        """All that the job does, in their order."""
        return stages_to(self.last)

    def write(self, run: Path) -> None:
        """Write it into a run's folder.

        Raises:
            StorageError: the disk refused.
        """
        stored = _StoredJob(
            last=self.last,
            max_hours=self.max_hours,
            configs=self.configs,
            spent_seconds=self.spent_seconds,
            search_seconds=self.search_seconds,
            workers_per_gpu=self.workers_per_gpu,
            started=self.started,
            finished=self.finished,
            expected=self.expected,
            cuts=self.cuts,
            request=_Asking(self.num_cells, self.params, self.batch_size, self.ensemble, self.max_params),
            selection_until=self.until.get("selection"),
            training_until=self.until.get("training"),
            run=identity.of(run),
        )
        undecided = {f"{stage}_until" for stage in _LIMITED if stage not in self.until}
        content = {name: value for name, value in stored.to_json().items() if name not in undecided}
        write_json(place(run), content, is_durable=True, is_proven=True)

    @classmethod
    def read(cls, run: Path) -> JobState:
        """The job of a run's folder.

        Raises:
            RunFolderError: none was started there, or none could have written this.
        """
        search, select, train = (
            as_typed(*command, run) for command in (("search", "-r"), ("select", "-p"), ("train", "-p"))
        )
        if not is_there(place(run)):
            raise RunFolderError(
                f"{quoted(run)} was not started by `popnas e2e`. Go on with `{search}`, then `{select}` and "
                f"`{train}`."
            )
        remedy = f"go on without it: {search} and {select} and {train}"
        found = read_record(place(run), _StoredJob, must=_RULES, may=_MAY, remedy=remedy)
        until = dict(zip(_LIMITED, (found.selection_until, found.training_until), strict=True))
        state = cls(
            num_cells=found.request.num_cells,
            params=found.request.params,
            batch_size=found.request.batch_size,
            last=found.last,
            max_hours=found.max_hours,
            configs=dict(found.configs),
            spent_seconds=found.spent_seconds,
            search_seconds=found.search_seconds,
            workers_per_gpu=found.workers_per_gpu,
            started=dict(found.started),
            finished=dict(found.finished),
            until={stage: seconds for stage, seconds in until.items() if seconds is not None},
            expected=found.expected,
            cuts=found.cuts,
            ensemble=found.request.ensemble,
            max_params=found.request.max_params,
        )
        if state._contradicts_itself():
            raise RunFolderError(
                f"{place(run)} contradicts itself. Put back a copy of the file; or {remedy}."
            )
        return state

    def _contradicts_itself(self) -> bool:
        is_decided = "selection" in self.until or "selection" not in self.finished
        return (
            (self.search_seconds is None) != (self.max_hours is None)
            or (self.max_hours is not None and not is_decided)
            or not {"selection", "training"} & set(self.stages) <= self.configs.keys()
        )


def place(run: Path) -> Path:
    """Where the job's state lies in a run's folder."""
    return run / "e2e.json"
