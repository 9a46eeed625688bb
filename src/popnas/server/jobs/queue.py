"""Which jobs run and which wait: first come, first served, one at a time of each run."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from popnas import files
from popnas.errors import PopnasError, StorageError, UserError
from popnas.printable import quoted
from popnas.records import Json, Record
from popnas.runs.lock import holder
from popnas.server.jobs.process import JobProcess
from popnas.server.jobs.record import ACTIVE, OPEN, RunJob, Stage, State
from popnas.storage import write_json

_LOG = logging.getLogger(__name__)

STOP_SECONDS = 30.0
"""What a command that is asked to end has for it, before it is ended by force."""

_LAST = "last.json"
"""In the folder of jobs: the highest number that was given, once its job is forgotten."""
_LOOK_SECONDS = 0.1
_MOST_OPEN = 1000
_MOST_KEPT = 2000
"""Jobs that are remembered; the oldest ended ones are forgotten."""

Hear = Callable[[RunJob], None]


class BusyError(UserError):
    """Something else goes on with the run."""


class JobQueue:
    """All jobs of a server. Safe to use from several threads; `tick` is called again and again by one.

    Args:
        root: the folder of runs.
        folder: where jobs are kept.
        num_jobs: how many run at once.
        on_change: hears every job whose state is another one.
    """

    def __init__(self, root: Path, folder: Path, num_jobs: int, on_change: Hear) -> None:
        self._root, self._folder, self._num_jobs = root, folder, num_jobs
        self._on_change = on_change
        self._lock = threading.RLock()
        self._jobs: dict[int, RunJob] = {}
        self._shown: tuple[RunJob, ...] = ()
        self._processes: dict[int, JobProcess] = {}
        self._told_at: dict[int, float] = {}
        self.work = folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        for job in _kept(folder):
            self._jobs[job.number] = job
        self._shown = tuple(self._jobs.values())
        self._last = _last_number(folder)

    def all(self) -> list[RunJob]:
        """Every job that is remembered, the oldest first. Waits for nothing: the disk may be slow while the
        lock is held."""
        return list(self._shown)

    def of(self, run: str) -> list[RunJob]:
        """Those of a run, the oldest first."""
        return [job for job in self.all() if job.run == run]

    def log_path(self, number: int) -> Path:
        """What a job printed."""
        return JobProcess(self._folder, number).log_path

    def add(
        self, run: str, stage: Stage, arguments: Sequence[str], config: Json | None, *, is_new: bool = False
    ) -> RunJob:
        """Queue a command; it is on disk when this returns. `config` is given to it as a file, with `-j`;
        `is_new`: the run must not be there yet.

        Raises:
            BusyError: the run's name is taken, or it has such a job already, or too many jobs wait.
        """
        with self._lock:
            open_jobs = [job for job in self._jobs.values() if job.state in OPEN]
            if len(open_jobs) >= _MOST_OPEN:
                raise BusyError(f"{len(open_jobs)} jobs wait already, which is as many as can.")
            own = [job for job in open_jobs if job.run == run]
            if is_new and (own or (self._root / run).exists() or (self._root / run).is_symlink()):
                raise BusyError(f"the run {run!r} exists already; take another name.")
            if any(job.stage == stage for job in own):
                raise BusyError(f"`{stage}` of the run {run!r} is queued or runs already.")
            number = self._last = self._last + 1
            given = list(arguments)
            if config is not None:
                path = self._folder / f"{number:06d}.config"
                write_json(path, config, is_durable=True)
                given += ["-j", str(path)]
            job = RunJob(number, run, stage, tuple(given), "queued", time.time())
            self._keep(job)
            self._forget()
        return job

    def stop(self, run: str) -> list[RunJob]:
        """Ask all jobs of a run to end: what waits is taken out, what runs finishes writing.

        Raises:
            BusyError: no job of this server works on it.
        """
        with self._lock:
            own = [job for job in self.of(run) if job.state in OPEN]
            if not own:
                raise BusyError(f"nothing that this server started goes on with the run {run!r}.")
            return [self._stop(job) for job in own]

    def stop_all(self) -> None:
        """Ask all that runs to end, and wait until it has; what waits goes on waiting."""
        with self._lock:
            for job in self._active():
                self._stop(job)
            while active := self._active():
                for job in active:
                    self._look(job)
                time.sleep(_LOOK_SECONDS)

    def reserve(self, run: str, act: Callable[[], None]) -> None:
        """Do something with a run while nothing can start with it.

        Raises:
            BusyError: something goes on with it.
        """
        with self._lock:
            if any(job.state in OPEN for job in self.of(run)):
                raise BusyError(f"the run {run!r} is worked on: stop it first.")
            self._check_free(run)
            act()

    def forget(self, run: str) -> None:
        """The run is gone, and with it what its jobs came to."""
        with self._lock:
            for job in self.of(run):
                if job.state not in OPEN:
                    self._drop(job.number)

    def tick(self) -> None:
        """See what ended, end by force what does not, and start what can."""
        with self._lock:
            for job in self._active():
                self._look(job)
            for job in [job for job in self._jobs.values() if job.state == "queued"]:
                if len(self._active()) >= self._num_jobs:
                    break
                if self._can_start(job):
                    self._start(job)

    def is_held_elsewhere(self, run: str) -> bool:
        """Whether a process that this server did not start works on a run."""
        if any(job.state in ACTIVE for job in self.of(run)):
            return False
        return holder(self._root / run / "restore" / "lock") is not None

    def _check_free(self, run: str) -> None:
        found = holder(self._root / run / "restore" / "lock")
        if found is not None:
            raise BusyError(f"the run {run!r} is worked on by {found}, which this server did not start.")

    def _active(self) -> list[RunJob]:
        return [job for job in self._jobs.values() if job.state in ACTIVE]

    def _can_start(self, job: RunJob) -> bool:
        earlier = [other for other in self.of(job.run) if other.number < job.number and other.state in OPEN]
        return not earlier and not self.is_held_elsewhere(job.run)

    def _start(self, job: RunJob) -> None:
        # Before it starts: whoever finds it running and no process of it knows that there was a crash. Where
        # none had begun, the next server starts it.
        self._keep(replace(job, state="running", started=time.time()))
        try:
            self._process(job.number).start(job.arguments, self.work)
        except PopnasError as error:
            _LOG.warning("%s", error)
            self._keep(replace(self._jobs[job.number], state="failed", ended=time.time()))

    def _look(self, job: RunJob) -> None:
        process = self._process(job.number)
        if process.is_alive():
            self._end(job)
            return
        if job.stop_asked is None and not process.has_begun:
            self._keep(replace(job, state="queued", started=None))
            return
        ended = process.end()
        status, when = ended if ended is not None else (None, time.time())
        state: State = "finished" if status == 0 else "failed"
        if job.stop_asked is not None and status != 0:
            state = "stopped"
        # A later server comes to the same by itself.
        self._keep_if_it_can(replace(job, state=state, ended=when, exit_status=status))

    def _stop(self, job: RunJob) -> RunJob:
        if job.state == "queued":
            return self._keep(replace(job, state="stopped", ended=time.time()))
        if job.state == "stopping":
            return job
        # Also where the disk is full: what fills it may be what is to be stopped.
        self._end(self._keep_if_it_can(replace(job, state="stopping", stop_asked=time.time())))
        return self._jobs[job.number]

    def _end(self, job: RunJob) -> None:
        """Tell a job's process to end if somebody asked for it, and end it by force if it does not."""
        process = self._process(job.number)
        if job.stop_asked is None:
            return
        # Counted by a clock that nobody sets, from when this server knows of it.
        if job.stop_told is not None:
            if time.monotonic() - self._told_at.setdefault(job.number, time.monotonic()) > STOP_SECONDS:
                process.kill()
        elif process.ask_to_end():
            self._told_at[job.number] = time.monotonic()
            self._keep_if_it_can(replace(job, stop_told=time.time()))

    def _process(self, number: int) -> JobProcess:
        return self._processes.setdefault(number, JobProcess(self._folder, number))

    def _keep_if_it_can(self, job: RunJob) -> RunJob:
        """As `_keep`, but where the disk refuses, this server alone knows of it."""
        try:
            return self._keep(job)
        except StorageError as error:
            _LOG.warning("Warning: that job %d is %s is not kept: %s", job.number, job.state, error)
            return self._remember(job)

    def _keep(self, job: RunJob) -> RunJob:
        write_json(_place(self._folder, job.number), job.to_json(), is_durable=True)
        return self._remember(job)

    def _remember(self, job: RunJob) -> RunJob:
        before = self._jobs.get(job.number)
        self._jobs[job.number] = job
        self._shown = tuple(self._jobs.values())
        if before is None or before.state != job.state:
            self._on_change(job)
        return job

    def _forget(self) -> None:
        ended = [job for job in self._jobs.values() if job.state not in OPEN]
        for job in ended[: max(0, len(self._jobs) - _MOST_KEPT)]:
            self._drop(job.number)

    def _drop(self, number: int) -> None:
        if number == self._last:  # no file will say so any more, and no number is given twice
            write_json(self._folder / _LAST, _Last(number).to_json(), is_durable=True)
        del self._jobs[number]
        self._shown = tuple(self._jobs.values())
        self._processes.pop(number, None)
        self._told_at.pop(number, None)
        for path in self._folder.glob(f"{number:06d}.*"):
            path.unlink(missing_ok=True)


def _place(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


@dataclass(frozen=True)
class _Last(Record):
    number: int


def _last_number(folder: Path) -> int:
    """The highest number that a job was given; a job whose note cannot be read counts, too."""
    names = [path.name.partition(".")[0] for path in folder.glob("[0-9]*.*")]
    try:
        forgotten = _Last.of_known(files.read_object(folder / _LAST)).number
    except (OSError, ValueError):
        forgotten = 0
    return max([forgotten, *(int(name) for name in names if name.isdecimal())])


def _kept(folder: Path) -> Iterator[RunJob]:
    for path in sorted(folder.glob("[0-9]*.json"), key=lambda path: (len(path.name), path.name)):
        try:
            yield RunJob.from_json(files.read_object(path))
        except (OSError, ValueError) as error:
            _LOG.warning("Warning: the job in %s is left out: %s.", quoted(path), error)


def move_to_trash(root: Path, trash: Path, run: str) -> str:
    """Move a run's folder into the trash; returns its name there."""
    trash.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%d-%H-%M-%S")
    name = f"{run}.{stamp}"
    number = 1
    while (trash / name).exists():
        number += 1
        name = f"{run}.{stamp}-{number}"
    shutil.move(str(root / run), trash / name)
    return name
