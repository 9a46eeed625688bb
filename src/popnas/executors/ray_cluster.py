"""Evaluates candidates in actors of a Ray cluster: one candidate per actor, actors wherever Ray finds
room.

Ray places the actors, starts nodes where it may, and tells when one is lost. What is said to an
actor and what it answers is JSON, as with worker processes; no disk is shared.
"""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from popnas.errors import ExecutorError
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
    Worker,
    overdue,
)
from popnas.executors._messages import Advanced, Ended, Failure, Ready, SetupFailed, Stop, unpacked
from popnas.executors._orders import Order
from popnas.executors._process import import_path
from popnas.executors._ray import connection
from popnas.executors._ray.actors import Mailbox, Trainer
from popnas.executors._ray.connection import first_line
from popnas.executors._ray.copies import Parcel
from popnas.executors._warnings import tell_once

_MAX_START_FAILURES, _SAME_LOSS_SECONDS = 3, 3.0
_POLL_SECONDS = 0.5
_LAST_WORDS_SECONDS = 2.0
_LEAVING_SECONDS = 5.0
_WAITING_TOLD_SECONDS = 30.0
_OWN_GPU = "cuda:0"
"""As every actor sees the one that Ray gives it, or its part of one."""
_SMALLEST_SHARE = 1e-4
"""Ray counts GPUs in steps of this size."""
_LOG = logging.getLogger("popnas")


@dataclass
class _Actor:
    """`pending`: the answer that it owes, to its set-up or to its job; None while it is idle.
    `node`: its own, once it is ready."""

    handle: Any
    pending: Any
    node: str | None = None


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

    @classmethod
    def num_gpus(cls) -> int:
        """See `Executor.num_gpus`: of all nodes that are there now."""
        return sum(_gpus(node) for node in connection.resources())

    def __init__(self, work: Work, **options: Any) -> None:
        super().__init__(work, **options)
        # Kept beside one another, so that an event costs the same however many actors there are.
        self._actors: dict[int, _Actor] = {}
        self._idle: dict[int, None] = {}
        self._running: dict[int, Attempt] = {}
        self._owed: dict[Any, int] = {}
        self._waiting = Waiting()
        self._num_start_failures, self._start_failures_told = 0, float("-inf")
        self._folder: Parcel | None = None
        self._mailbox: Any = None
        self._news: Any = None  # what the mailbox was asked for
        self._waiting_since: float | None = None
        self._pulse: connection.Pulse | None = None
        self._is_on_gpus = set(self.devices) != {CPU}

    @classmethod
    def workers_for(cls, asked: int | None, threads: int, devices: Sequence[str]) -> int:
        """See `Executor.workers_for`; the cores and the GPUs are those of all nodes that are there now. A
        device's name stands as often in `devices` as workers share a GPU."""
        if asked is not None:
            return asked
        nodes = connection.resources()
        fitting = [int(node.get("CPU", 0)) // threads for node in nodes]
        if set(devices) != {CPU}:
            sharing = _sharing(devices)
            fitting = [min(cores, _gpus(node) * sharing) for cores, node in zip(fitting, nodes, strict=True)]
        return max(1, sum(fitting))

    def worker(self, number: int) -> Worker:
        """See `Executor.worker`: it sees the GPU that Ray gives it, and no other."""
        return Worker(number, _OWN_GPU if self._is_on_gpus else CPU)

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
            with connection.reached():
                self._drop_lost_idle()
            while True:
                with connection.reached():
                    self._hand_out(on_start, has_listener=on_progress is not None)
                    if not results and (self._running or self._waiting):
                        results.extend(self._wait(on_progress))
                        continue
                if not results:
                    return
                yield results.popleft()
        finally:
            for number in list(self._running):
                self._end(number)

    def close(self) -> None:
        """End all actors; a cluster of this machine alone ends with the process."""
        super().close()
        for number in set(self._actors) - set(self._idle):
            self._end(number)  # first: those that leave remove what nobody uses any more
        if self._folder is not None and self._idle and not self._is_lost:
            left = [self._actors[number].handle.leave.remote() for number in self._idle]
            with suppress(Exception):
                connection.connected().wait(left, num_returns=len(left), timeout=_LEAVING_SECONDS)
        for number in list(self._actors):
            self._end(number)
        if self._mailbox is not None:
            self._kill(self._mailbox)
        self._mailbox = self._news = self._folder = None

    # --- actors

    def _start_actors(self, num_workers: int) -> None:
        if len(self._actors) >= num_workers:
            return
        missing = [number for number in range(num_workers) if number not in self._actors]
        ray, own = connection.connected(), version("popnas")
        if self._folder is None and self.work.folder is not None:
            self._folder = Parcel.of(Path(self.work.folder))
        trainer = ray.remote(num_cpus=self.threads, num_gpus=self._gpu_share, max_restarts=0)(Trainer)
        handles = self._head.heard(lambda: [trainer.remote() for _ in missing])
        for number, handle in zip(missing, handles, strict=True):
            order = json.dumps(Order(self.work, self.worker(number), self.threads).to_json())
            pending = handle.set_up.remote(order, own, import_path(), self._folder)
            self._actors[number] = _Actor(handle, pending)
            self._owed[pending] = number

    @property
    def _gpu_share(self) -> float:
        """Of each actor. A third of one, rounded up, would leave room for two."""
        if not self._is_on_gpus:
            return 0.0
        sharing = _sharing(self.devices)
        return 1.0 if sharing == 1 else int(1 / _SMALLEST_SHARE / sharing) * _SMALLEST_SHARE

    @property
    def _head(self) -> connection.Pulse:
        if self._pulse is None:
            self._pulse = connection.Pulse()
        return self._pulse

    @property
    def _is_lost(self) -> bool:
        return self._pulse is not None and self._pulse.is_lost

    def _end(self, number: int) -> None:
        self._kill(self._forgotten(number).handle)

    def _kill(self, handle: Any) -> None:
        if not self._is_lost:  # nobody would hear it, and Ray would wait
            with suppress(Exception):
                connection.connected().kill(handle)

    def _forgotten(self, number: int) -> _Actor:
        """An actor that is no longer one of these; what ran on it does not run any more."""
        actor = self._actors.pop(number)
        self._idle.pop(number, None)
        self._running.pop(number, None)
        self._owed.pop(actor.pending, None)
        return actor

    def _drop_lost_idle(self, lost: str | None = None) -> None:
        """Of actors that wait for a job Ray does not tell that their node was lost: a job handed to one would
        count as tried, and to a second one as lost for good. `lost`: a node of which that is feared."""
        alive = self._head.heard(connection.nodes_alive) - {lost} if self._idle else frozenset()
        for number in [number for number in self._idle if self._actors[number].node not in alive]:
            self._end(number)

    # --- jobs

    def _hand_out(self, on_start: OnStart | None, *, has_listener: bool) -> None:
        wanted = len(self._running) + len(self._waiting)
        self._start_actors(min(self.num_workers, wanted))
        if has_listener and self._mailbox is None and wanted:
            remote = connection.connected().remote(num_cpus=0, scheduling_strategy=connection.beside_driver())
            self._mailbox = self._head.heard(remote(Mailbox).remote)
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
        ready, _ = connection.connected().wait(list(self._owed), num_returns=1, timeout=_POLL_SECONDS)
        self._head.check()
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
            text: str = connection.connected().get(pending)
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
            if not connection.connected().wait([self._news], timeout=seconds)[0]:
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
                tell_once(ended.warnings)
                return [self._running.pop(number).ended(ended, number)]
            case Ready(node, warnings):
                self._idle[number] = None
                tell_once(warnings)
                actor.node, self._num_start_failures = node, 0
        return []

    def _died(self, number: int, error: Exception) -> list[Result]:
        attempt, node = self._running.get(number), self._actors[number].node
        self._end(number)  # one that cannot be reached may be there still
        self._drop_lost_idle(node)
        how = first_line(error)
        if attempt is None:
            self._count_start_failure(how)
            return []
        if self._waiting.try_again(attempt):
            return []
        message = f"its actor was lost {attempt.number} times while it was evaluated"
        return [attempt.failed(Failure(message, "worker_died", how), number)]

    def _count_start_failure(self, how: str) -> None:
        """Those that are lost at the same time count once: they may have begun on a node that was lost."""
        now = time.monotonic()
        if now < self._start_failures_told + _SAME_LOSS_SECONDS:
            return
        self._start_failures_told = now
        self._num_start_failures += 1
        if self._num_start_failures >= _MAX_START_FAILURES:
            raise ExecutorError(
                f"{self._num_start_failures} times in a row actors were lost before they were set up: {how}. "
                "popnas must be installed on every node, and every node reach every other."
            )

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
        if any(actor.node is not None for actor in self._actors.values()):
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
                self._wanted_gpu(),
            )

    def _wanted_gpu(self) -> str:
        if not self._is_on_gpus:
            return ""
        sharing = _sharing(self.devices)
        return " and a GPU" if sharing == 1 else f" and 1/{sharing} of a GPU"


def _gpus(node: Mapping[str, float]) -> int:
    return int(node.get("GPU", 0))


def _sharing(devices: Sequence[str]) -> int:
    """How many workers share a GPU."""
    return devices.count(devices[0])
