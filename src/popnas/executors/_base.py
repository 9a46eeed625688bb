"""The contract of all executors: jobs in, results out in the order in which they end."""

from __future__ import annotations

import importlib
import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from popnas.errors import (
    CandidateFailed,
    DeviceFilledError,
    ExecutorError,
    PopnasError,
    StorageError,
    UserError,
)
from popnas.executors._messages import Failure
from popnas.executors._telling import Misread, Progress
from popnas.printable import without_secrets
from popnas.records import Json, Record
from popnas.registry import Registry
from popnas.resources import available_cores

CPU = "cpu"
"""Name of the one device that workers share without being in one another's way."""


@dataclass(frozen=True)
class Job:
    """One candidate to evaluate; `payload` must be JSON, and the ids of one `run` differ."""

    id: str
    payload: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What became of a job.

    Attributes:
        value: what the evaluate function returned; None for a failure.
        error: the message of a failure. It names no pid, worker or path of its own: equal failures have equal
            messages.
        error_kind: one of `CandidateFailed.KINDS`; None for a success.
        worker: number of the worker that ended it, from 0.
        attempts: how often it was started (2 after a worker died under it).
        traceback: of the exception, for the log.
    """

    id: str
    value: Json | None
    error: str | None = None
    error_kind: str | None = None
    worker: int = 0
    attempts: int = 1
    traceback: str | None = None

    @property
    def is_failed(self) -> bool:
        """Whether there is no value."""
        return self.error_kind is not None


@dataclass(frozen=True)
class Work(Record):
    """What workers do: two functions by dotted name, "package.module:function", importable in a fresh
    interpreter, and `payload`, a JSON object that is the same for every worker.

    `folder`: of files on the driver's disk that workers read. Each is told where it finds them: an executor
    that shares no disk brings a copy to every machine.
    """

    setup: str
    evaluate: str
    payload: Json = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True)
class Worker(Record):
    """What the setup function is told of the worker that it runs in: its number, from 0, its device's name,
    and where `Work.folder` is for it.
    """

    number: int = 0
    device: str = CPU
    folder: str | None = None


OnStart = Callable[[str], None]
"""Called with a job's id when the job is handed out (again, after a worker died)."""


OnProgress = Callable[[str, Progress | Misread], None]
"""Called with a job's id and what its evaluate function told with `executors.tell`, now and then."""


IsTimeUp = Callable[[], bool]
"""Whether no further job may begin; once it is, it stays so."""


class Executor(ABC):
    """Evaluates jobs with two functions given by dotted name.

    A worker calls `context = setup(payload, Worker(number, device))` once and then
    `evaluate(context, job.payload) -> dict` per job.

    Args:
        work: the functions, and what all workers are told.
        num_workers: candidates evaluated at a time; see `workers_for`.
        threads: threads per worker; the results of a network may depend on it, so keep it for the whole run.
        devices: names of the devices, which the workers take in turn; one that several workers share stands
            there as often.
        log_path: file to which the workers' standard output and error are appended; None drops them.
        hard_timeout_seconds: a job that has not ended by then is ended by force, with error_kind "time_limit"
            (where the executor can; inline cannot). Meant for hangs: training keeps its own, lower limit.
    """

    is_in_driver: ClassVar[bool] = False
    """Whether candidates are trained in the driver's own process: no copies of the data, no start."""

    shares_disk: ClassVar[bool] = True
    """Whether workers see the driver's files, by the same paths: else what they write comes with their
    results (`popnas.runs.artifacts`)."""

    def __init__(
        self,
        work: Work,
        *,
        num_workers: int = 1,
        threads: int = 1,
        devices: Sequence[str] = (CPU,),
        log_path: str | Path | None = None,
        hard_timeout_seconds: float | None = None,
    ) -> None:
        assert num_workers >= 1, num_workers
        assert threads >= 1, threads
        assert devices
        self.work = work
        self.num_workers = num_workers
        self.threads = threads
        self.devices = tuple(devices)
        self.log_path = None if log_path is None else Path(log_path)
        self.hard_timeout_seconds = hard_timeout_seconds
        self._is_closed = False

    @classmethod
    def num_gpus(cls) -> int | None:
        """How many GPUs its workers may be given; None: those of this machine, which PyTorch knows."""
        return None

    @classmethod
    def workers_for(cls, asked: int | None, threads: int, devices: Sequence[str]) -> int:
        """How many candidates are evaluated at a time if `asked` for so many; None: so many that every core
        that this process may use is used once, but of other devices one for each time that it is named,
        whatever `threads`.
        """
        if asked is not None:
            return asked
        if set(devices) != {CPU}:
            return len(devices)
        return max(1, len(available_cores()) // threads)

    def worker(self, number: int) -> Worker:
        """Who the worker of that number is."""
        return Worker(number, self.devices[number % len(self.devices)], self.work.folder)

    def prestart(self) -> None:  # noqa: B027 - an executor without workers has nothing to start
        """Start the workers now, so that they get ready beside the driver's own work; returns at once."""

    @abstractmethod
    def run(
        self,
        jobs: Sequence[Job],
        on_start: OnStart | None = None,
        on_progress: OnProgress | None = None,
        is_time_up: IsTimeUp | None = None,
    ) -> Iterator[Result]:
        """Evaluate all jobs; yields each result when it is there, handing out further jobs meanwhile.

        Jobs are handed out in order. A job's failure is a Result, never an exception. Leaving the iteration
        early abandons the jobs that run. `on_progress` hears how far jobs are, where the executor can tell.
        `is_time_up` is asked before each job that is handed out: once it is, no other begins, those that run
        still give results, and one whose worker is lost is tried again.

        Raises:
            ExecutorError: the setup function failed, or workers cannot be started.
            UserError: the setup function raised one, for instance because the data are gone.
            StorageError: the evaluate function raised it: a full disk is no fault of the job, which has no
                result.
        """

    def close(self) -> None:
        """End all workers, within a few seconds; safe to call twice."""
        self._is_closed = True

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


REGISTRY: Registry[type[Executor]] = Registry("executor", "popnas.executors", "popnas.executors")


def create(
    kind: str,
    work: Work,
    *,
    num_workers: int | None = None,
    threads: int = 1,
    devices: Sequence[str] = (CPU,),
    **options: Any,
) -> Executor:
    """The executor registered as `kind`; `num_workers` as in `Executor.workers_for`.

    Raises:
        UnknownNameError: there is no such executor.
    """
    executor = REGISTRY.get(kind)
    workers = executor.workers_for(num_workers, threads, devices)
    return executor(work, num_workers=workers, threads=threads, devices=devices, **options)


def resolve(dotted: str) -> Callable[..., Any]:
    """The function named "package.module:function".

    Raises:
        ExecutorError: there is none.
    """
    module_name, _, attribute = dotted.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ExecutorError(f"cannot import '{dotted}' (package.module:function): {error}") from error
    if not callable(function):
        raise ExecutorError(f"'{dotted}' is not a function")
    return function


def checked(value: Any) -> Json:
    """What an evaluate function returned as it comes out of JSON, so that every executor gives the same.

    Raises:
        TypeError: it is no JSON object.
    """
    if not isinstance(value, dict):
        raise TypeError(f"the evaluate function must return a dict. Got {type(value).__name__} instead")
    result: Json = json.loads(json.dumps(value))
    return result


PASSED_ON: dict[str, type[PopnasError]] = {
    "user": UserError,
    "storage": StorageError,
    "filled": DeviceFilledError,
}
"""Errors that end the whole run, by the name that they have on the way from a worker: all of them in its
setup, those of `NO_VERDICT` in a job, too."""

NO_VERDICT = (StorageError, DeviceFilledError)
"""Errors of a job that say nothing about it."""


def passed_on(error: BaseException) -> str | None:
    """The name in `PASSED_ON` of an error that a driver must raise itself, or None."""
    return next((name for name, kind in PASSED_ON.items() if isinstance(error, kind)), None)


def failure(error: BaseException) -> Failure:
    """Why a job has no value, of the exception that `evaluate` raised."""
    if isinstance(error, CandidateFailed):
        kind, message = error.kind, str(error)
    elif isinstance(error, MemoryError):
        kind, message = "out_of_memory", f"out of memory: {error}"
    else:
        kind, message = "error", f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    # Both are kept and shown: here, where the variables are that they may quote.
    return Failure(without_secrets(message), kind, without_secrets(trace))


def overdue(seconds: float | None) -> Failure:
    """Why a job has no value that its executor has ended by force."""
    return Failure(f"the candidate did not end within the hard limit of {seconds:g} seconds", "time_limit")


def failed(job_id: str, why: Failure, *, worker: int = 0, attempts: int = 1) -> Result:
    """The result of a job without a value."""
    return Result(job_id, None, why.error, why.error_kind, worker, attempts, why.traceback)
