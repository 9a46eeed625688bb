"""`logged`: in the driver's process, with a line for every job in the run's log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from popnas.executors import REGISTRY, IsTimeUp, Job, OnProgress, OnStart, Result
from popnas.executors.inline import InlineExecutor


@REGISTRY.register("logged", description="one candidate at a time, each with a line in the log")
class LoggedExecutor(InlineExecutor):
    """See the module."""

    def run(
        self,
        jobs: Sequence[Job],
        on_start: OnStart | None = None,
        on_progress: OnProgress | None = None,
        is_time_up: IsTimeUp | None = None,
    ) -> Iterator[Result]:
        """See `Executor.run`."""
        for result in super().run(jobs, on_start, on_progress, is_time_up):
            if self.log_path is not None:
                self.log_path.parent.mkdir(parents=True, exist_ok=True)
                with self.log_path.open("a", encoding="utf-8") as log:
                    log.write(f"logged: job {result.id} ended\n")
            yield result
