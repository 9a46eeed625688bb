"""Building a table of cells: every cell of a small space trained, resumable after any interruption.

Every training is one event of a journal, on disk before the next result is waited for. What a resumed
building finds there it does not do again; which cells are trained several times follows from the first
trainings of all, so an interrupted building comes to the same table as one that was not disturbed, but for
what clocks say.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path

import numpy as np

from popnas import evaluators, executors, files, resources
from popnas.command_lines import as_typed
from popnas.config import RunConfig, changed
from popnas.errors import DataError, UserError
from popnas.evaluation import CandidateJob, Curve
from popnas.evaluators import Evaluator
from popnas.evaluators.table import stored
from popnas.events import Listen, PhaseAdvanced, PhaseStarted, RunOpened, Told, Warned, nobody
from popnas.executors import Executor, Job, Result, Work
from popnas.printable import counted
from popnas.process_state import forks, torch_as_imported
from popnas.runs.folder import DATA_PATH, absolute, place_of_run
from popnas.seeds import candidate_seed
from popnas.workflows.data.run_data import FIELD, new_place
from popnas.workflows.searching.machines import Machines
from popnas.workflows.settings import load_config, unused
from popnas.workflows.tables import chosen, written
from popnas.workflows.tables.folder import VERSION, BuildFolder, Built, Started, Trained
from popnas.workflows.tables.request import TableRequest

_CURVES = "popnas.evaluators.training.curve:evaluate"
_WORKS_WITH = "training"
_UNUSED = {
    "trackers": "no tracker hears of trainings for a table.",
    "save_children_weights": "a table keeps figures alone.",
    "save_children_models": "a table keeps figures alone.",
    "confirm": "cells are trained again as often as the table is asked for.",
}
"""Of `others` what a search has beside its trainings."""


@dataclass(frozen=True)
class BuildResult:
    """Where a building ended: `reason` "completed" or "max_hours"; `num_trained`, `num_failed`: trainings of
    all `num_jobs`; `table`: its file, `num_bytes` of it, None while trainings are missing."""

    folder: Path
    reason: str
    num_trained: int
    num_failed: int
    num_jobs: int
    table: Path | None
    num_bytes: int | None


@torch_as_imported()
def build(
    config: RunConfig,
    request: TableRequest,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    command: str = "",
    tell: Listen = nobody,
) -> BuildResult:
    """Train the cells of a configuration's space as often as a request says, and write their table.

    `command`: what was typed, for the table to tell. Leaves the folder `logs/name` (default: date and time).

    Raises:
        UserError: a mistake in the configuration, the request or the data; no folder is made then.
    """
    forks.check("building a table")
    request.check(config.space)
    _check_evaluator(config)
    folder = BuildFolder(place_of_run(logs, name))
    job = _Building(folder, config, request, tell)
    job.tell_warnings()
    path = config.dataset.path
    place = {} if path is None else {DATA_PATH: absolute(path)}
    with folder.made():
        started = Started(VERSION, config.to_json(), request, command)
        folder.start(started.to_json(), {**environment(), **place})
        return job.run(folder.read())


@torch_as_imported()
def resume(path: Path | str, *, sets: Sequence[str] = (), tell: Listen = nobody) -> BuildResult:
    """Go on with the table of a folder; a finished one is written again.

    `sets`: "dataset.path=PLACE", where the data were moved; the folder remembers that.

    Raises:
        UserError: no such folder, locked by another process, other data, or a change that is not allowed.
    """
    forks.check("building a table")
    folder = BuildFolder(files.given(path, "the folder of the table"))
    if others := [text for text in sets if text.partition("=")[0].strip() != FIELD]:
        raise UserError(
            f"`sets` {' '.join(others)}: a table goes on as it was begun; only {FIELD} may be changed, where "
            "the data were moved. For another table start a new one."
        )
    built = folder.read()
    moved = new_place(sets)
    place = moved or built.data_path
    config = load_config(built.started.config)
    if place is not None:
        config = changed(config, {FIELD: place})
    try:
        job = _Building(folder, config, built.started.request, tell)
    except DataError as error:
        if place is None or files.exists(files.user_path(place)):
            raise
        again = as_typed("bench", "build", "-r", folder.path, "--set", f"{FIELD}=PLACE")
        raise DataError(
            f"{error} If the data of this table were moved, say once where they are now: {again} (it is "
            "checked that they are the same)."
        ) from error
    with folder.lock():
        return job.run(folder.read(), moved)


def _check_evaluator(config: RunConfig) -> None:
    if config.others.evaluator != _WORKS_WITH:
        raise UserError(
            f"others.evaluator: '{config.others.evaluator}' trains nothing, and a table is made of "
            f"trainings: write '{_WORKS_WITH}'."
        )


class _Building:
    """One building under way."""

    def __init__(self, folder: BuildFolder, config: RunConfig, request: TableRequest, tell: Listen) -> None:
        self.folder, self.config, self.request, self.tell = folder, config, request, tell
        self.chosen = chosen.cells(config.space, request, config.others.seed)
        self.keys = [cell.key for cell in config.space.decode(self.chosen.cells)]
        tell(PhaseStarted("loading the data"))
        self.evaluator: Evaluator = evaluators.create(config)
        self.machines = Machines((), tell)
        hours = config.others.max_hours
        self.deadline = None if hours is None else time.monotonic() + hours * 3600

    def tell_warnings(self) -> None:
        """Of the configuration and the data."""
        others = self.config.others
        ignored = [
            f"others.{name}: has no effect here: {why}"
            for name, why in _UNUSED.items()
            if getattr(others, name)
        ]
        for warning in [*unused(self.config), *ignored, *self.evaluator.told, *self.evaluator.check()]:
            self.tell(Warned(warning))

    def run(self, built: Built, moved: str | None = None) -> BuildResult:
        """Train what is not trained yet, first every cell once; `moved`: where the data are said to be."""
        self.built = built
        self.machines = Machines(built.volatile, self.tell)
        self.tell(RunOpened(self.folder.path))
        with self.folder.journal as journal:
            if built.data is None:
                built.apply(journal.append("data", dict(self.evaluator.facts())))
            elif warning := self.evaluator.compare(built.data):
                if moved is not None:
                    raise DataError(
                        f"`sets` {FIELD}={moved}: {warning} Give the place of the data that this table was "
                        "started with."
                    )
                self.tell(Warned(warning))
            if moved is not None:
                built.apply(journal.append("moved", {}, {DATA_PATH: moved}))
            with self._executor() as executor:
                firsts = [(key, 0) for key in self.keys]
                is_whole = self._train(f"training {counted(len(firsts), 'cell')}", firsts, executor)
                again = self._repetitions() if is_whole else []
                if again:
                    is_whole = self._train(f"training {len(again):,} times with other seeds", again, executor)
        return self._result(is_whole, len(firsts) + len(again))

    def _repetitions(self) -> list[tuple[str, int]]:
        """The cells that are trained again, after all were trained once."""
        if self.request.seeds == 1:
            return []
        metric = self.config.search_strategy.score_metric
        curves = [self.built.trained[key, 0] for key in self.keys]
        scores_N = np.array([curve.metrics[metric][-1] if curve.metrics else np.nan for curve in curves])
        rows = chosen.repeated(scores_N, self.request, self.config.others.seed)
        return [(self.keys[row], number) for row in rows for number in range(1, self.request.seeds)]

    def _train(self, title: str, wanted: list[tuple[str, int]], executor: Executor) -> bool:
        """Whether all were trained, or could not be, before the time was up."""
        pending = [pair for pair in wanted if pair not in self.built.trained]
        self.tell(PhaseStarted(title, len(wanted)))
        num_done = len(wanted) - len(pending)
        if num_done and pending:
            self.tell(Told(f"{num_done:,} of them are trained already."))
        if self._is_time_up():
            return not pending
        jobs = {f"{key}#{repetition}": self._job(key, repetition) for key, repetition in pending}
        began, first = time.monotonic(), num_done
        for result in executor.run(
            [Job(name, job.to_json()) for name, job in jobs.items()], is_time_up=self._is_time_up
        ):
            self._record(jobs[result.id], result)
            num_done += 1
            left = (time.monotonic() - began) / (num_done - first) * (len(wanted) - num_done)
            self.tell(PhaseAdvanced(num_done, seconds_left=left))
        return all(pair in self.built.trained for pair in wanted)

    def _job(self, key: str, repetition: int) -> CandidateJob:
        """With the seed that a search and its confirmations give the cell."""
        seed = candidate_seed(self.config.others.seed, key, repetition)
        return CandidateJob(key, self.num_blocks[key], 0, seed, repetition)

    @cached_property
    def num_blocks(self) -> dict[str, int]:
        """By cell."""
        return {cell.key: len(cell) for cell in self.config.space.decode(self.chosen.cells)}

    def _record(self, job: CandidateJob, result: Result) -> None:
        if result.value is None:
            curve = Curve(error=result.error, error_kind=result.error_kind)
        else:
            curve = self.machines.alike_curve(Curve.from_json(result.value))
        content = Trained(job.cell, job.repetition, job.seed, curve).to_json()
        spent = {**curve.volatile, "worker": result.worker, "attempts": result.attempts}
        stripped = {**dict(content), "curve": {**dict(curve.to_json()), "volatile": {}}}
        self.built.apply(self.folder.journal.append("trained", stripped, spent))

    @contextmanager
    def _executor(self) -> Iterator[Executor]:
        settings = self.config.others.executor
        num_workers = self.evaluator.num_workers(self.tell)
        # Data in memory once per machine; to those of a cluster they are sent.
        with (
            self.evaluator.sharing(self.folder.path, self.tell) as shared,
            executors.create(
                settings.kind,
                Work(self.evaluator.setup, _CURVES, self.evaluator.payload(None, None), shared),
                num_workers=num_workers,
                threads=settings.threads,
                devices=self.evaluator.devices,
                log_path=self.folder.debug_log,
                hard_timeout_seconds=self.evaluator.hang_seconds,
            ) as executor,
        ):
            yield executor

    def _is_time_up(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _result(self, is_whole: bool, num_jobs: int) -> BuildResult:
        num_bytes = None
        if is_whole:
            self.tell(PhaseStarted("writing the table"))
            table = written.table(self.chosen, self.keys, self.built, self.config, self.evaluator)
            num_bytes = stored.write(self.folder.table, table)
        curves = self.built.trained.values()
        return BuildResult(
            folder=self.folder.path,
            reason="completed" if is_whole else "max_hours",
            num_trained=len(curves),
            num_failed=sum(curve.error_kind is not None for curve in curves),
            num_jobs=num_jobs,
            table=self.folder.table if is_whole else None,
            num_bytes=num_bytes,
        )


def environment() -> dict[str, str]:
    """What figures may depend on beside the configuration, without the names of machines and places."""
    versions = {name: metadata.version(name) for name in ("popnas", "torch", "numpy")}
    return {
        **versions,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": resources.processor(),
        "cores": str(len(resources.available_cores())),
        "load": f"{os.getloadavg()[0]:.1f}",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
