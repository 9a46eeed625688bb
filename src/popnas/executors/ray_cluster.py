"""Evaluates candidates in actors of a Ray cluster: one candidate per actor, actors wherever Ray finds
room.

Ray places the actors, starts nodes where it may, and tells when one is lost. What is said to an
actor and what it answers is JSON, as with worker processes; no disk is shared.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from popnas.errors import ExecutorError, MissingExtraError, UserError
from popnas.executors import _telling, _worker
from popnas.executors._attempts import Attempt, Waiting
from popnas.executors._base import (
    CPU,
    PASSED_ON,
    REGISTRY,
    Executor,
    IsTimeUp,
    Job,
    OnProgress,
    OnStart,
    Result,
    Work,
    failure,
    overdue,
    passed_on,
)
from popnas.executors._messages import Advanced, Ended, Failure, Ready, SetupFailed, Stop, packed, unpacked
from popnas.executors._orders import Order
from popnas.executors._process import import_path
from popnas.executors._telling import Misread, Progress

_MAX_START_FAILURES = 3
_POLL_SECONDS = 0.5
_CONNECT_SECONDS = 5.0
_MOST_NEWS = 10_000
_LAST_WORDS_SECONDS = 2.0
_WAITING_TOLD_SECONDS = 30.0
_LOG = logging.getLogger("popnas")


def connected() -> ModuleType:
    """Ray, connected to the cluster that RAY_ADDRESS names, to the one that `ray start` began on this
    machine, or, where there is none, to one of this machine alone.

    Raises:
        MissingExtraError: Ray is not installed.
        UserError: no cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would tell its makers
    try:
        import ray
    except ImportError:
        raise MissingExtraError("others.executor.kind 'ray'", "ray", "ray") from None
    if not ray.is_initialized():
        ending, address = signal.getsignal(signal.SIGTERM), _address()
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its words are not ours
                ray.init(
                    address=address,
                    log_to_driver=False,
                    include_dashboard=False,
                    logging_level=logging.ERROR,
                    configure_logging=False,
                )
        except Exception as error:  # of many kinds
            raise _no_cluster(address, _first_line(error)) from error
        if ending is not None:
            signal.signal(signal.SIGTERM, ending)  # Ray has put its own in its place
    return ray


def _address() -> str:
    """Of the cluster to take. Whether somebody answers there is asked first: Ray itself waits for minutes,
    also for a cluster of this machine that was killed.

    Raises:
        UserError: nobody answers at RAY_ADDRESS.
    """
    asked = os.environ.get("RAY_ADDRESS", "auto")
    if asked != "auto":
        place = asked.rpartition("//")[2]
        if ":" in place and not _answers(place):
            raise _no_cluster(asked, "nobody answers there")
        return asked
    begun = Path(
        os.environ.get("RAY_TMPDIR", tempfile.gettempdir()), "ray", "ray_current_cluster"
    )  # by `ray start`
    place = begun.read_text(encoding="utf-8").strip() if begun.is_file() else ""
    return place if _answers(place) else "local"


def _answers(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _no_cluster(address: str, why: str) -> UserError:
    return UserError(
        f"no Ray cluster can be reached at {address!r} (RAY_ADDRESS): {why}. Look with `ray status`. Where "
        "it asks for a token, set RAY_AUTH_MODE=token here, too, and have the ~/.ray/auth_token of its first "
        "machine. Without RAY_ADDRESS the cluster of this machine is taken, or one is begun."
    )


def _first_line(error: BaseException) -> str:
    """Ray's messages go on for a page."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error)).rstrip(".")


@dataclass(frozen=True)
class Parcel:
    """The files of a folder in Ray's object store, by their names there; `token` is of this one alone."""

    token: str
    names: list[str]
    contents: list[Any]


class Trainer:
    """What runs in an actor: set up once, then one job after the other. Both answer with a JSON text."""

    def set_up(self, order: str, expected: str, path: list[str], parcel: Parcel | None) -> str:
        """`path`: the driver's import path, for what is in the same place here, too; `parcel`: what
        `Work.folder` holds."""
        sys.path += [item for item in path if item not in sys.path]
        try:
            if (own := version("popnas")) != expected:
                raise UserError(
                    f"a node of the cluster has popnas {own}, the driver {expected}: install the same "
                    "everywhere."
                )
            given = Order.from_json(json.loads(order))
            self._copy = None if parcel is None else _copied(parcel)
            worker = replace(given.worker, folder=None if self._copy is None else str(self._copy))
            self._context, self._evaluate = _worker.set_up(replace(given, worker=worker))
        except BaseException as error:
            name = passed_on(error)
            if name is not None:
                return json.dumps(packed(Stop(name, str(error))))
            why = failure(error)
            return json.dumps(packed(SetupFailed(f"{type(error).__name__}: {error}", why.traceback or "")))
        return json.dumps(packed(Ready()))

    def evaluate(self, job_id: str, payload: str, mailbox: Any) -> str:
        """One job; what it tells goes to the mailbox."""
        sent: list[Any] = []

        def pass_on(progress: Progress | Misread) -> None:
            sent[:] = [mailbox.put.remote(job_id, json.dumps(packed(Advanced(progress))))]

        with _telling.heard_by(pass_on if mailbox is not None else None):
            answer = _worker.evaluate(self._evaluate, self._context, json.loads(payload))
        for last in sent:  # the driver hears it before it has the answer
            connected().get(last)
        return json.dumps(packed(answer))

    def leave(self) -> None:
        """Remove the copy of the folder; other actors of the node may still have its files open."""
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)


class Mailbox:
    """The latest of what running jobs tell, until the driver takes it."""

    def __init__(self) -> None:
        self._news: deque[tuple[str, str]] = deque(maxlen=_MOST_NEWS)

    def put(self, job_id: str, text: str) -> None:
        """From a trainer."""
        self._news.append((job_id, text))

    def take(self) -> str:
        """By the driver: pairs of job's id and text, as JSON."""
        news = list(self._news)
        self._news.clear()
        return json.dumps(news)


def _copied(parcel: Parcel) -> Path:
    """A copy of the folder on this node's disk, made by whichever of its actors comes first."""
    place = Path(tempfile.gettempdir()) / f"popnas-{os.getuid()}-{parcel.token}"
    if not place.is_dir():
        making = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
        for name, content in zip(parcel.names, parcel.contents, strict=True):
            path = making / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(connected().get(content))
        try:
            making.rename(place)
        except OSError:  # another actor was faster
            shutil.rmtree(making, ignore_errors=True)
    return place


@dataclass
class _Actor:
    """`pending`: the answer that it owes, to its set-up or to its job; None while it is idle."""

    handle: Any
    pending: Any
    is_ready: bool = False


@REGISTRY.register(
    "ray", description="one candidate per actor of a Ray cluster, or of this machine without one (extra ray)"
)
class RayExecutor(Executor):
    """Actors that are asked for when they are first needed and stay until `close`; those for which the
    cluster has no room yet wait for it.

    An actor that is lost, with its node or without, is replaced and its job tried once more; if that is lost,
    too, the result is error_kind "worker_died". Nothing but the job that ran is lost. What actors print is in
    the logs of Ray.
    """

    shares_disk = False

    def __init__(self, work: Work, **options: Any) -> None:
        super().__init__(work, **options)
        # Kept beside one another, so that an event costs the same however many actors there are.
        self._actors: dict[int, _Actor] = {}
        self._idle: dict[int, None] = {}
        self._running: dict[int, Attempt] = {}
        self._owed: dict[Any, int] = {}
        self._waiting = Waiting()
        self._num_start_failures = 0
        self._folder: Parcel | None = None
        self._mailbox: Any = None
        self._news: Any = None  # what the mailbox was asked for
        self._waiting_since: float | None = None

    @classmethod
    def workers_for(cls, asked: int | None, threads: int, devices: Sequence[str]) -> int:
        """See `Executor.workers_for`; the cores and the GPUs are those of the whole cluster as it is now."""
        if asked is not None:
            return asked
        nodes = [node["Resources"] for node in connected().nodes() if node["Alive"]]
        num_gpus = sum(int(node.get("GPU", 0)) for node in nodes)
        if set(devices) != {CPU}:
            return num_gpus or super().workers_for(asked, threads, devices)
        return max(1, sum(int(node.get("CPU", 0)) // threads for node in nodes))

    def prestart(self) -> None:
        """See `Executor.prestart`."""
        self._start_actors(self.num_workers)

    def run(
        self,
        jobs: Sequence[Job],
        on_start: OnStart | None = None,
        on_progress: OnProgress | None = None,
        is_time_up: IsTimeUp | None = None,
    ) -> Iterator[Result]:
        """See `Executor.run`."""
        assert not self._is_closed, "the executor is closed"
        self._waiting = Waiting(jobs, is_time_up)
        results: deque[Result] = deque()
        try:
            while True:
                self._hand_out(on_start, has_listener=on_progress is not None)
                if results:
                    yield results.popleft()
                elif self._running or self._waiting:
                    results.extend(self._wait(on_progress))
                else:
                    return
        finally:
            for number in list(self._running):
                self._end(number)

    def close(self) -> None:
        """End all actors; a cluster of this machine alone ends with the process."""
        super().close()
        if self._folder is not None and self._idle:
            left = [self._actors[number].handle.leave.remote() for number in self._idle]
            connected().wait(left, num_returns=len(left), timeout=2.0)
        for number in list(self._actors):
            self._end(number)
        if self._mailbox is not None:
            connected().kill(self._mailbox)
        self._mailbox = self._news = self._folder = None

    # --- actors

    def _start_actors(self, num_workers: int) -> None:
        if len(self._actors) >= num_workers:
            return
        missing = [number for number in range(num_workers) if number not in self._actors]
        ray, own = connected(), version("popnas")
        if self._folder is None and self.work.folder is not None:
            self._folder = self._shipped(Path(self.work.folder))
        gpus = ray.cluster_resources().get("GPU", 0) if set(self.devices) != {CPU} else 0
        share = min(1.0, gpus / self.num_workers)
        trainer = ray.remote(num_cpus=self.threads, num_gpus=share, max_restarts=0)(Trainer)
        for number in missing:
            worker = replace(self.worker(number), folder=None)
            if share:
                worker = replace(worker, device="cuda:0")  # Ray shows an actor only its own
            order = json.dumps(Order(self.work, worker, self.threads).to_json())
            handle = trainer.remote()
            pending = handle.set_up.remote(order, own, import_path(), self._folder)
            self._actors[number] = _Actor(handle, pending)
            self._owed[pending] = number

    def _shipped(self, root: Path) -> Parcel:
        """Files that Ray brings to a node once."""
        ray = connected()
        paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
        names = [path.relative_to(root).as_posix() for path in paths]
        return Parcel(os.urandom(8).hex(), names, [ray.put(path.read_bytes()) for path in paths])

    def _end(self, number: int) -> None:
        connected().kill(self._forgotten(number).handle)

    def _forgotten(self, number: int) -> _Actor:
        """An actor that is no longer one of these; what ran on it does not run any more."""
        actor = self._actors.pop(number)
        self._idle.pop(number, None)
        self._running.pop(number, None)
        self._owed.pop(actor.pending, None)
        return actor

    # --- jobs

    def _hand_out(self, on_start: OnStart | None, *, has_listener: bool) -> None:
        wanted = len(self._running) + len(self._waiting)
        self._start_actors(min(self.num_workers, wanted))
        if has_listener and self._mailbox is None and wanted:
            self._mailbox = connected().remote(num_cpus=0)(Mailbox).remote()
        mailbox = self._mailbox if has_listener else None
        while self._idle and self._waiting:
            number = next(iter(self._idle))
            del self._idle[number]
            actor = self._actors[number]
            attempt = self._running[number] = self._waiting.take()
            attempt.hand_out(self.hard_timeout_seconds)
            actor.pending = actor.handle.evaluate.remote(
                attempt.job.id, json.dumps(attempt.job.payload), mailbox
            )
            self._owed[actor.pending] = number
            if on_start is not None:
                on_start(attempt.job.id)

    def _wait(self, on_progress: OnProgress | None) -> list[Result]:
        """Wait for something to happen, but not long; the results that it brings."""
        ready, _ = connected().wait(list(self._owed), num_returns=1, timeout=_POLL_SECONDS)
        self._tell_if_all_wait()
        answers = [(self._owed[item], self._answer(item)) for item in ready]
        if on_progress is not None:
            self._pass_on(on_progress, has_answers=bool(answers))
        return [
            result for number, answer in answers for result in self._take(number, answer)
        ] + self._overdue()

    def _answer(self, pending: Any) -> str | Exception:
        """What an actor has answered, or how it was lost."""
        try:
            text: str = connected().get(pending)
        except Exception as error:  # the actor, its worker process or its node died
            return error
        return text

    def _pass_on(self, on_progress: OnProgress, *, has_answers: bool) -> None:
        """Give what jobs have told to whoever listens. Nobody waits for it; only before an answer is it asked
        for again, for some seconds: a job's last words come first."""
        for seconds in (0.0, *([_LAST_WORDS_SECONDS] * 2 if has_answers else [])):
            if self._mailbox is None:
                return
            if self._news is None:
                self._news = self._mailbox.take.remote()
            if not connected().wait([self._news], timeout=seconds)[0]:
                continue
            news, self._news = self._answer(self._news), None
            if isinstance(news, Exception):  # lost with its node: progress is only a view
                self._mailbox = None
                return
            running = {attempt.job.id for attempt in self._running.values()}
            for job_id, text in json.loads(news):
                told = unpacked(json.loads(text))
                if job_id in running and isinstance(told, Advanced):
                    on_progress(job_id, told.progress)

    def _take(self, number: int, answer: str | Exception) -> list[Result]:
        if isinstance(answer, Exception):
            return self._died(number, answer)
        actor = self._actors[number]
        del self._owed[actor.pending]
        actor.pending = None
        match unpacked(json.loads(answer)):
            case Stop(name, error):
                self._end(number)
                raise PASSED_ON[name](error)
            case SetupFailed(error, traceback):
                self._end(number)
                raise ExecutorError(
                    f"the setup '{self.work.setup}' failed in a worker: {error}\n\n{traceback}"
                )
            case Ended() as ended:
                self._idle[number] = None
                return [self._running.pop(number).ended(ended, number)]
            case _:
                self._idle[number] = None
                actor.is_ready, self._num_start_failures = True, 0
                return []

    def _died(self, number: int, error: Exception) -> list[Result]:
        attempt = self._running.get(number)
        self._forgotten(number)
        how = _first_line(error)
        if attempt is None:
            self._num_start_failures += 1
            if self._num_start_failures >= _MAX_START_FAILURES:
                raise ExecutorError(
                    f"{self._num_start_failures} actors in a row were lost before they were set up: {how}. "
                    "popnas must be installed on every node."
                ) from error
            return []
        if self._waiting.try_again(attempt):
            return []
        message = f"its actor was lost {attempt.number} times while it was evaluated"
        return [attempt.failed(Failure(message, "worker_died", how), number)]

    def _overdue(self) -> list[Result]:
        results: list[Result] = []
        if self.hard_timeout_seconds is None:
            return results
        now = time.monotonic()
        for number, attempt in list(self._running.items()):
            if now >= attempt.deadline:
                self._end(number)
                results.append(attempt.failed(overdue(self.hard_timeout_seconds), number))
        return results

    def _tell_if_all_wait(self) -> None:
        """A cluster without room says nothing by itself."""
        if any(actor.is_ready for actor in self._actors.values()):
            self._waiting_since = None
            return
        now = time.monotonic()
        self._waiting_since = now if self._waiting_since is None else self._waiting_since
        if now - self._waiting_since >= _WAITING_TOLD_SECONDS:
            self._waiting_since = float("inf")  # once
            _LOG.warning(
                "Warning: no actor of the Ray cluster has begun after %.0f s: each needs %d CPU(s)%s free on "
                "one node. `ray status` shows what there is and what waits.",
                _WAITING_TOLD_SECONDS,
                self.threads,
                "" if set(self.devices) == {CPU} else " and a GPU",
            )
