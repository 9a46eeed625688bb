"""Evaluates candidates one after the other in the driver's own process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from popnas.errors import ExecutorError, UserError, interruption_behind
from popnas.executors import _telling
from popnas.executors._base import (
    NO_VERDICT,
    REGISTRY,
    Executor,
    IsTimeUp,
    Job,
    OnProgress,
    OnStart,
    Result,
    Work,
    checked,
    failed,
    failure,
    resolve,
)
from popnas.executors._lost_device import lost_device
from popnas.process_state import torch_in_turn


@REGISTRY.register(
    "inline", description="one candidate at a time, in this process (no hard time limit, no pinning)"
)
class InlineExecutor(Executor):
    """Runs each job in the process that iterates over `run`, on the first device.

    `num_workers` and `log_path` have no effect.
    """

    is_in_driver = True

    def __init__(self, work: Work, **options: Any) -> None:
        super().__init__(work, **{**options, "num_workers": 1})
        self._context: Any = None
        self._is_set_up = False

    @classmethod
    def workers_for(cls, asked: int | None, threads: int, devices: Sequence[str]) -> int:
        """See `Executor.workers_for`: one, whatever is asked."""
        return 1

    def run(
        self,
        jobs: Sequence[Job],
        on_start: OnStart | None = None,
        on_progress: OnProgress | None = None,
        is_time_up: IsTimeUp | None = None,
    ) -> Iterator[Result]:
        """See `Executor.run`."""
        assert not self._is_closed, "the executor is closed"
        evaluate = resolve(self.work.evaluate)
        for job in jobs:
            if is_time_up is not None and is_time_up():
                return
            self._set_up()
            if on_start is not None:
                on_start(job.id)
            heard = None if on_progress is None else partial(on_progress, job.id)
            with _telling.heard_by(heard):
                result = self._evaluate(evaluate, job)
            yield result

    def _set_up(self) -> None:
        if self._is_set_up:
            return
        setup = resolve(self.work.setup)
        try:
            with torch_in_turn(self.threads):
                self._context = setup(self.work.payload, self.worker(0))
        except UserError:
            raise
        except Exception as error:
            raise ExecutorError(
                f"the setup '{self.work.setup}' failed: {type(error).__name__}: {error}"
            ) from error
        self._is_set_up = True

    def _evaluate(self, evaluate: Any, job: Job) -> Result:
        try:
            with torch_in_turn(self.threads):
                return Result(job.id, checked(evaluate(self._context, job.payload)))
        except NO_VERDICT:
            raise
        except (Exception, SystemExit) as error:
            if (stop := interruption_behind(error)) is not None:
                raise stop from None
            if (lost := lost_device(error)) is not None:
                raise ExecutorError(
                    f"{lost}. Nothing else can be trained in it; start again, in a new one. With "
                    "others.executor.kind 'processes' a worker ends instead, and another takes its place."
                ) from error
            return failed(job.id, failure(error))

    def close(self) -> None:
        """Drop the context."""
        super().close()
        self._context = None
        self._is_set_up = False
