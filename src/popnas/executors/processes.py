"""Evaluates candidates in worker processes: one candidate per worker, workers on a CPU pinned to cores.

The driver has no thread of its own for this: while the caller waits for a result, it selects on the workers'
connections.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Iterator, Sequence
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
    overdue,
)
from popnas.executors._messages import Advanced, Answer, Failure, Handed, Ready, SetupFailed, Stop, unpacked
from popnas.executors._orders import Order
from popnas.executors._process import WorkerProcess
from popnas.executors._warnings import tell_once
from popnas.resources import available_cores

_MAX_START_FAILURES = 3
_POLL_SECONDS = 0.5
_CLOSE_SECONDS = 3.0


@REGISTRY.register("processes", description="one candidate per worker process, pinned to cores (the default)")
class ProcessesExecutor(Executor):
    """Worker processes that start when they are first needed and stay until `close`.

    A worker that dies is replaced and its job tried once more; if that dies too, the result is error_kind
    "worker_died", with the worker's last words on its standard error.
    """

    def __init__(self, work: Work, **options: Any) -> None:
        super().__init__(work, **options)
        self._workers: dict[int, WorkerProcess] = {}
        self._running: dict[int, Attempt] = {}
        self._waiting = Waiting()
        self._on_progress: OnProgress | None = None
        self._num_start_failures = 0
        self._cores = available_cores()

    def prestart(self) -> None:
        """See `Executor.prestart`."""
        self._start_workers(self.num_workers)

    def run(
        self,
        jobs: Sequence[Job],
        on_start: OnStart | None = None,
        on_progress: OnProgress | None = None,
        is_time_up: IsTimeUp | None = None,
    ) -> Iterator[Result]:
        """See `Executor.run`."""
        assert not self._is_closed, "the executor is closed"
        assert not self._running, "one run at a time"
        self._waiting = Waiting(jobs, is_time_up)
        self._on_progress = on_progress
        results: deque[Result] = deque()
        try:
            while True:
                self._hand_out(on_start)
                if results:
                    yield results.popleft()
                elif self._running or self._waiting:
                    results.extend(self._wait())
                else:
                    return
        finally:
            for number in list(self._running):
                del self._running[number]
                self._workers.pop(number).end()

    def close(self) -> None:
        """End all workers: idle ones leave by themselves, those that are busy are killed."""
        super().close()
        deadline = time.monotonic() + _CLOSE_SECONDS
        for worker in self._workers.values():
            worker.hang_up()
        for number, worker in self._workers.items():
            if number not in self._running:
                worker.wait(deadline - time.monotonic())
            worker.end()
        self._workers.clear()
        self._running.clear()

    def _start_workers(self, num_workers: int) -> None:
        for number in range(num_workers):
            if number not in self._workers:
                self._workers[number] = WorkerProcess(
                    self._order(number), self._pinned_cores(number), self.log_path
                )

    def _order(self, number: int) -> Order:
        return Order(self.work, self.worker(number), self.threads)

    def _pinned_cores(self, number: int) -> list[int]:
        """None for a worker with a device of its own: launching, the backward pass, decoding and reading
        ahead are threads that would share one core, and its times are the device's."""
        if self.worker(number).device != CPU:
            return []
        first = number * self.threads
        return [self._cores[(first + offset) % len(self._cores)] for offset in range(self.threads)]

    def _hand_out(self, on_start: OnStart | None) -> None:
        self._start_workers(min(self.num_workers, len(self._running) + len(self._waiting)))
        for number, worker in list(self._workers.items()):
            if not worker.is_ready or number in self._running or not self._waiting:
                continue
            attempt = self._waiting.take()
            worker.stderr.forget()
            try:
                worker.channel.send(Handed(attempt.job.id, attempt.job.payload).to_json())
            except OSError:  # it died while idle: no attempt was made
                self._waiting.put_back(attempt)
                self._workers.pop(number).end()
                self._hand_out(on_start)  # with a new worker in its place
                return
            attempt.hand_out(self.hard_timeout_seconds)
            self._running[number] = attempt
            if on_start is not None:
                on_start(attempt.job.id)

    def _wait(self) -> list[Result]:
        """Wait for something to happen, but not long; the results that it brings."""
        results: list[Result] = []
        with selectors.DefaultSelector() as selector:
            for number, worker in self._workers.items():
                selector.register(worker.channel, selectors.EVENT_READ, number)
                if worker.stderr.is_open:
                    selector.register(worker.stderr, selectors.EVENT_READ)
            readable = [key.data for key, _ in selector.select(self._timeout())]
        for number, worker in list(self._workers.items()):
            worker.stderr.pump()
            is_dead = worker.is_dead()  # asked first: what it sent before its end is then all there
            if is_dead or number in readable:
                results += self._receive(number, is_dead)
        return results + self._overdue()

    def _timeout(self) -> float:
        deadlines = [attempt.deadline for attempt in self._running.values()]
        return max(0.0, min([_POLL_SECONDS, *(deadline - time.monotonic() for deadline in deadlines)]))

    def _receive(self, number: int, is_dead: bool) -> list[Result]:
        worker = self._workers[number]
        messages, is_open = worker.channel.pump()
        results = [result for message in messages for result in self._take(number, unpacked(message))]
        if is_dead or not is_open:
            results += self._died(number)
        return results

    def _take(self, number: int, answer: Answer) -> list[Result]:
        match answer:
            case Stop(name, error):
                raise PASSED_ON[name](error)
            case SetupFailed(error, traceback):
                raise ExecutorError(
                    f"the setup '{self.work.setup}' failed in a worker: {error}\n\n{traceback}"
                )
            case Ready(_, warnings):
                tell_once(warnings)
                self._workers[number].is_ready = True
                self._num_start_failures = 0
                return []
            case Advanced(progress):
                told_by = self._running.get(number)  # a thread that a job has left may still tell
                if self._on_progress is not None and told_by is not None:
                    self._on_progress(told_by.job.id, progress)
                return []
        attempt = self._running.pop(number)
        tell_once(answer.warnings)
        return [attempt.ended(answer, number)]

    def _died(self, number: int) -> list[Result]:
        worker = self._workers.pop(number)
        how = worker.end()
        attempt = self._running.pop(number, None)
        if attempt is None:
            self._count_start_failure(worker, how)
            return []
        if self._waiting.try_again(attempt):
            return []
        message = (
            f"the worker {how} while it evaluated this candidate, {attempt.number} times.{worker.why(how)}"
        )
        return [attempt.failed(Failure(message, "worker_died"), number)]

    def _count_start_failure(self, worker: WorkerProcess, how: str) -> None:
        if worker.is_ready:
            return  # it died while idle
        self._num_start_failures += 1
        if self._num_start_failures >= _MAX_START_FAILURES:
            raise ExecutorError(
                f"{self._num_start_failures} workers died in a row before they were set up; the last {how}."
                f"{worker.why(how)}"
            )

    def _overdue(self) -> list[Result]:
        results = []
        now = time.monotonic()
        for number, attempt in list(self._running.items()):
            if now >= attempt.deadline:
                del self._running[number]
                self._workers.pop(number).end()
                results.append(attempt.failed(overdue(self.hard_timeout_seconds), number))
        return results
