"""The contract of all executors: jobs in, results out in the order in which they end."""

from __future__ import annotations

import importlib
import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from popnas.errors import CandidateFailed, ExecutorError, PopnasError, StorageError, UserError
from popnas.registry import Registry
from popnas.resources import available_cores


@dataclass(frozen=True)
class Job:
    """One candidate to evaluate; `payload` must be JSON, and the ids of one `run` differ."""

    id: str
    payload: dict[str, Any] = field(default_factory=dict)


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
    value: dict[str, Any] | None
    error: str | None = None
    error_kind: str | None = None
    worker: int = 0
    attempts: int = 1
    traceback: str | None = None

    @property
    def is_failed(self) -> bool:
        """Whether there is no value."""
        return self.error_kind is not None


OnStart = Callable[[str], None]
"""Called with a job's id when the job is handed out (again, after a worker died)."""


class Executor(ABC):
    """Evaluates jobs with two functions given by dotted name, "package.module:function".

    A worker calls `context = setup(setup_payload)` once and then `evaluate(context, job.payload) -> dict` per
    job. Worker processes find their number, from 0, in the payload as "worker".

    Args:
        setup, evaluate: dotted names; both functions must be importable in a fresh interpreter.
        setup_payload: JSON object, the same for every worker.
        num_workers: candidates evaluated at a time (inline: always 1).
        threads: threads per worker; the results of a network may depend on it, so keep it for the whole run.
        log_path: file to which the workers' standard output and error are appended; None drops them.
        hard_timeout_seconds: a job that has not ended by then is ended by force, with error_kind "time_limit"
            (where the executor can; inline cannot). Meant for hangs: training keeps its own, lower limit.
    """

    def __init__(
        self,
        setup: str,
        evaluate: str,
        setup_payload: dict[str, Any],
        *,
        num_workers: int = 1,
        threads: int = 1,
        log_path: str | Path | None = None,
        hard_timeout_seconds: float | None = None,
    ) -> None:
        assert num_workers >= 1, num_workers
        assert threads >= 1, threads
        self.setup = setup
        self.evaluate = evaluate
        self.setup_payload = setup_payload
        self.num_workers = num_workers
        self.threads = threads
        self.log_path = None if log_path is None else Path(log_path)
        self.hard_timeout_seconds = hard_timeout_seconds
        self._is_drained = False
        self._is_closed = False

    def prestart(self) -> None:  # noqa: B027 - an executor without workers has nothing to start
        """Start the workers now, so that they get ready beside the driver's own work; returns at once."""

    @abstractmethod
    def run(self, jobs: Sequence[Job], on_start: OnStart | None = None) -> Iterator[Result]:
        """Evaluate all jobs; yields each result when it is there, handing out further jobs meanwhile.

        Jobs are handed out in order. A job's failure is a Result, never an exception. Leaving the iteration
        early abandons the jobs that run.

        Raises:
            ExecutorError: the setup function failed, or workers cannot be started.
            UserError: the setup function raised one, for instance because the data are gone.
            StorageError: the evaluate function raised it: a full disk is no fault of the job, which has no
                result.
        """

    def drain(self) -> None:
        """Hand out no further job, in this and every later `run`; those that run still give results."""
        self._is_drained = True

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
    setup: str,
    evaluate: str,
    setup_payload: dict[str, Any],
    *,
    num_workers: int | None = None,
    threads: int = 1,
    **options: Any,
) -> Executor:
    """The executor registered as `kind`; `num_workers` None means so many that every core is used once.

    Raises:
        UnknownNameError: there is no such executor.
    """
    workers = num_workers_of(kind, num_workers, threads)
    executor = REGISTRY.get(kind)
    return executor(setup, evaluate, setup_payload, num_workers=workers, threads=threads, **options)


def num_workers_of(kind: str, num_workers: int | None, threads: int) -> int:
    """How many candidates the executor `kind` evaluates at a time if it is asked for `num_workers`; None: so
    many that every core that this process may use is used once.
    """
    if kind == "inline":
        return 1
    return num_workers or max(1, len(available_cores()) // threads)


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


def checked(value: Any) -> dict[str, Any]:
    """What an evaluate function returned as it comes out of JSON, so that every executor gives the same.

    Raises:
        TypeError: it is no JSON object.
    """
    if not isinstance(value, dict):
        raise TypeError(f"the evaluate function must return a dict. Got {type(value).__name__} instead")
    result: dict[str, Any] = json.loads(json.dumps(value))
    return result


PASSED_ON: dict[str, type[PopnasError]] = {"user": UserError, "storage": StorageError}
"""Errors that are no verdict on a job but end the whole run, by the name that they have on the way from a
worker."""


def passed_on(error: BaseException) -> str | None:
    """The name in `PASSED_ON` of an error that a driver must raise itself, or None."""
    return next((name for name, kind in PASSED_ON.items() if isinstance(error, kind)), None)


def failure(error: BaseException) -> dict[str, Any]:
    """`error`, `error_kind` and `traceback` of a Result for an exception that `evaluate` raised."""
    if isinstance(error, CandidateFailed):
        kind, message = error.kind, str(error)
    elif isinstance(error, MemoryError):
        kind, message = "out_of_memory", f"out of memory: {error}"
    else:
        kind, message = "error", f"{type(error).__name__}: {error}"
    return {"error": message, "error_kind": kind, "traceback": "".join(traceback.format_exception(error))}
