"""The search from a configuration to a complete run folder, resumable after any interruption.

Everything is on disk before it is used: proposals before they are evaluated, each Evaluation before the next
decision, a step's predictions before their selection is trained. What a resumed search finds in the journal
it does not do again.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from popnas import evaluators, executors, trackers
from popnas.cells import Cell
from popnas.config import Source
from popnas.errors import PopnasError, UserError
from popnas.evaluation import CandidateJob, Evaluation
from popnas.evaluators import Evaluator
from popnas.events import (
    CandidateFinished,
    Listen,
    PhaseStarted,
    RunOpened,
    StepStarted,
    Warned,
    nobody,
)
from popnas.executors import Executor, Job, Result, Work
from popnas.printable import counted, quoted
from popnas.process_state import forks, torch_as_imported
from popnas.records import Json
from popnas.report.views import RepeatedViews, Views
from popnas.runs import Proposed, RunFolder, RunState, artifacts, identity
from popnas.runs.folder import (
    DATA_PATH,
    EXECUTION_FIELDS,
    check_place_of_run,
    create_run,
    same_search,
)
from popnas.runs.stored import logs, progress
from popnas.runs.stored.countdown import seconds_until
from popnas.storage import remove_temporary
from popnas.strategy import Proposal
from popnas.trackers import Scope, TrackedNetwork, Trackers
from popnas.workflows import advice, earlier_searches
from popnas.workflows.data import run_data
from popnas.workflows.hearing import EpochsHeard
from popnas.workflows.searching import (
    best_model,
    candidate_jobs,
    finish,
    predictions,
    repeats,
    surrogates,
)
from popnas.workflows.searching.machines import Machines
from popnas.workflows.searching.steps import SearchSteps, TooFewGrowError
from popnas.workflows.searching.time_left import Clock
from popnas.workflows.settings import load_config, load_run_config, max_networks, unused


@dataclass(frozen=True)
class SearchResult:
    """Where a search ended.

    `folder`: the run folder; `best`: the best cell's Evaluation, None if the time was up before one was
    trained; `reason`: "completed", "max_hours", "no_parents" (every candidate of a step failed) or
    "no_candidates" (no expansion meets the constraints); `num_evaluated`, `num_failed`: candidates over all
    steps; `was_finished`: before this call, which wrote only its tables and report again.
    """

    folder: Path
    best: Evaluation | None
    reason: str
    num_evaluated: int
    num_failed: int
    was_finished: bool = False


@torch_as_imported()
def search(
    config: Source,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    tell: Listen = nobody,
) -> SearchResult:
    """Search architectures for the configuration's data set; leaves the run folder `logs/name` (default:
    date and time).

    Raises:
        UserError: a mistake in the configuration or the data, a name that is taken, or no such device; no
            folder is made then.
        PopnasError: no candidate could be trained at all.
    """
    forks.check("a search")
    run_config = load_config(config)
    check_place_of_run(logs, name)  # loading torch and data takes seconds
    evaluator = evaluators.create(run_config)
    surrogates.check_libraries(evaluator)
    trackers.check(run_config.others.trackers)
    _, told_of_earlier = earlier_searches.read(evaluator)
    for warning in [*unused(run_config), *evaluator.told, *told_of_earlier]:
        tell(Warned(warning))
    for warning in evaluator.check():
        tell(Warned(warning))
    folder = create_run(
        logs, name, lambda path: RunFolder.create(path, run_config.to_json(), volatile=environment())
    )
    return _locked_search(folder, evaluator, tell)


@torch_as_imported()
def resume(path: Path | str, *, sets: Sequence[str] = (), tell: Listen = nobody) -> SearchResult:
    """Go on with an interrupted run; a finished one has its views and report rebuilt.

    `sets` ("a.b=V") may change only where and how long the search runs (`EXECUTION_FIELDS` of `others`), and
    `dataset.path`, where the data were moved; the run remembers that.

    Raises:
        UserError: no run there, locked by another process, of another version, other data, or a change that
            is not allowed.
    """
    forks.check("a search")
    folder = RunFolder.open(path)
    run_config = load_run_config(folder, sets=sets)
    if not same_search(run_config.to_json(), folder.config_json()):
        allowed = ", ".join([*(f"others.{name}" for name in EXECUTION_FIELDS), run_data.FIELD])
        raise UserError(
            f"`sets` {' '.join(sets)}: a resumed run keeps what it searches; only {allowed} may be changed. "
            "To search with other settings start a new run."
        )
    place = run_data.new_place(sets)
    if place is not None:
        run_data.check_same(folder, place)
    trackers.check(run_config.others.trackers)
    evaluator = evaluators.create(run_config, folder.path)
    return _locked_search(folder, evaluator, tell, place)


def _locked_search(
    folder: RunFolder, evaluator: Evaluator, tell: Listen, data_path: str | None = None
) -> SearchResult:
    with folder.lock(), progress.kept(folder.progress_json, "search", tell, advice.for_error) as told:
        told(RunOpened(folder.path))
        return _Search(folder, evaluator, told, data_path).run()


class _Search:
    """The state of one running search; every method is one phase of it."""

    def __init__(
        self,
        folder: RunFolder,
        evaluator: Evaluator,
        tell: Listen,
        data_path: str | None = None,
    ) -> None:
        self.data_path = data_path
        self.folder, self.evaluator, self.tell = folder, evaluator, tell
        self.config, self.space = evaluator.config, evaluator.space
        self.state: RunState = folder.state()
        self.was_finished = self.state.is_finished
        self.steps = SearchSteps(evaluator, self.state, self._append, tell)
        self.machines = Machines((item.volatile for item in self.state.arrived), tell)
        self.missing_views = RepeatedViews(tell)
        self.epochs_heard = EpochsHeard(tell)
        hours = self.config.others.max_hours
        self.deadline = time.monotonic() + hours * 3600 if hours else None

    def run(self) -> SearchResult:
        if self.state.proposals or self.data_path is not None:
            moved = {} if self.data_path is None else {DATA_PATH: self.data_path}
            self._append("run_resumed", {}, {**environment(), **moved})
        made = Views(self.tell)
        if not self.state.is_finished:
            self.evaluator.check()  # a run may go on elsewhere than it began
            surrogates.check_libraries(self.evaluator)
            self._compare_data()
            for place in (self.folder.restore, self.folder.best_model, self.folder.path / artifacts.WEIGHTS):
                remove_temporary(place)  # until it ends only a search writes there, and this one has the lock
            with self._trackers() as self.trackers:
                with self.folder.journal, self._executor() as executor:
                    reason = self._finish(executor)
                self._track([self.folder.best_model / "model.onnx"])  # while the report is being written
                self._write_views(made)
                plots = sorted(self.folder.plots.glob("*"))
                self._track([*plots, self.folder.report_html, self.folder.run_json])
                self.trackers.status(reason)
            for name, failure in self.trackers.failures.items():
                made.lost(f"some of the log of {name} of {quoted(self.folder.path)}", failure)
            return self._result()
        if best_model.is_missing(self.folder, self.state, self.evaluator):
            with self._executor(num_workers=1) as executor:  # not tried how many: it trains one, if any
                best_model.write(self.folder, self.state, self.evaluator, executor, self.tell)
        self._write_views(made)
        return self._result()

    def _finish(self, executor: Executor) -> str:
        """All that is trained; returns why the search ended."""
        reason = self._search(executor)
        self.missing_views.tell_counts()
        if reason != "max_hours" and not self._train_again(executor):
            reason = "max_hours"
        best_model.write(self.folder, self.state, self.evaluator, executor, self.tell)
        self._append("run_finished", {"reason": reason})
        return reason

    def _write_views(self, made: Views) -> None:
        stacked = self.evaluator.cells_stacked
        finish.views(self.folder, self.state, stacked, self.space, self.tell, made)

    def _train_again(self, executor: Executor) -> bool:
        """Whatever decides the winner or confirms the best cells; false if the time was up before its end."""
        again = finish.Again(
            folder=self.folder,
            state=self.state,
            executor=executor,
            machines=self.machines,
            append=self._append,
            tell=self.tell,
            is_time_up=self._is_time_up,
            deadline=self.deadline,
        )
        if not repeats.decide(self.evaluator, self.state, self._append, again.train):
            return False
        return not self.config.others.confirm or again.best_cells(self.config.others.seed)

    def _compare_data(self) -> None:
        if self.state.data is None:
            self._append("data", self.evaluator.facts())
        elif warning := self.evaluator.compare(self.state.data):
            self.tell(Warned(warning))

    # --- steps ---

    def _search(self, executor: Executor) -> str:
        """All steps; returns why the search ended."""
        later = {step: max_networks(self.config, step) for step in range(2, self.space.num_blocks + 1)}
        confirmations = finish.NUM_CONFIRMATIONS if self.config.others.confirm else 0
        confirmations += self.config.search_strategy.repeats
        self.clock = Clock(executor.num_workers, later, confirmations)
        for evaluation in self.state.evaluations:
            self.clock.record(evaluation)
        executor.prestart()
        try:
            return self.steps.run(lambda step, cells: self._evaluate(step, cells, executor), self._grow)
        except TooFewGrowError as error:
            raise PopnasError(
                f"{error}\nThe run is kept in {quoted(self.folder.path)}. Start a new one with other "
                "settings."
            ) from None

    def _grow(self, step: int, round_number: int, parents: Sequence[Cell]) -> list[Proposal]:
        cells = counted(len(parents), "cell")
        place = f"step {step}, round {round_number + 1}" if round_number else f"step {step}"
        self.tell(PhaseStarted(f"{place}: fitting predictors and scoring every expansion of {cells}"))
        predicted, selection = self.steps.select(step, round_number, parents)
        known = self.state.predictions.get((step, round_number))
        if known is None or not predictions.is_intact(self.folder, known):
            written = predictions.write(self.folder, (step, round_number), predicted, selection, self.space)
            if known is None:
                self._append("predictions", written.content())
        return self.steps.proposed(predicted, selection)

    # --- candidates ---

    def _evaluate(self, step: int, proposals: list[Proposed], executor: Executor) -> str | None:
        """Evaluate what is not evaluated yet; "max_hours" if the time was up before all were."""
        pending = self.state.pending(step)
        self._tell_started(step, len(pending))
        for proposed in proposals:
            if (seconds := proposed.predictions.get("time")) is not None:
                self.clock.predicted[step, proposed.index] = seconds
        # Who waits and who runs is for the time left alone: what is done is known by the journal alone.
        waiting = {proposed.index: None for proposed in pending}
        running: dict[int, float] = {}

        def on_start(job_id: str) -> None:
            waiting.pop(int(job_id), None)  # a job that is retried starts twice
            running[int(job_id)] = time.monotonic()

        if self._is_time_up():  # before workers are started for nothing
            return "max_hours" if pending else None
        best = self.steps.strategy.best()
        jobs = {proposed.index: self._job(proposed, best) for proposed in pending}
        handed_out = [Job(str(index), job.to_json()) for index, job in jobs.items()]
        # What runs when the time is up is let finish, since it is paid for.
        for result in executor.run(handed_out, on_start, self.epochs_heard, self._is_time_up):
            index = int(result.id)
            running.pop(index, None)
            evaluation = self._record(proposals[index], jobs[index], result)
            now = time.monotonic()
            since_start = {index: now - started for index, started in running.items()}
            left = self.clock.seconds_left(step, waiting, since_start, self._num_unknown(step))
            self.tell(CandidateFinished(evaluation, replace(left, limit=seconds_until(self.deadline))))
        # What was never handed out is pending: a failed candidate is done, too.
        return "max_hours" if self.state.pending(step) else None

    def _tell_started(self, step: int, num_pending: int) -> None:
        sizes = self.state.rounds[step]
        # What is pending is of the last round: it was chosen when all before it was evaluated.
        num_rounds = self.steps.strategy.num_rounds(step)
        self.tell(StepStarted(step, sizes[-1], sizes[-1] - num_pending, len(sizes) - 1, num_rounds))

    def _num_unknown(self, step: int) -> int:
        """How many cells later rounds of the step choose at most."""
        sizes = self.state.rounds[step]
        if len(sizes) >= self.steps.strategy.num_rounds(step):
            return 0
        return max(max_networks(self.config, step) - sum(sizes), 0)

    def _job(self, proposed: Proposed, best: Evaluation | None) -> CandidateJob:
        return candidate_jobs.make(
            proposed, self.config.others.seed, keeps_weights_from=best.score if best else None
        )

    def _record(self, proposed: Proposed, job: CandidateJob, result: Result) -> Evaluation:
        run = self.folder.path.resolve()
        self.folder.journal.check_place()
        measured = self.machines.alike(candidate_jobs.received(result, job, run))
        evaluation = Evaluation.of(job, measured, is_exploration=proposed.is_exploration)
        if evaluation.is_failed:
            self._log_failure(evaluation, result.traceback)
        place = RunFolder(run).candidate(proposed.step, proposed.index)
        self.missing_views.lost(place, measured.missing_views)
        self.steps.record(evaluation)
        self.trackers.networks([(len(self.state.evaluations), evaluation)], self._tracked)
        self.clock.record(evaluation)
        finish.keep_only_best_weights(self.folder, self.state)
        return evaluation

    def _log_failure(self, evaluation: Evaluation, traceback: str | None) -> None:
        what = f"{evaluation.cell} failed ({evaluation.error_kind}): {evaluation.error}"
        remedy = advice.for_kinds([evaluation.error_kind])
        logs.failed(self.folder.critical_log, what, traceback, remedy)

    # --- the rest ---

    def _append(self, event: str, content: Json, volatile: Json | None = None) -> None:
        self.state.apply(self.folder.journal.append(event, dict(content), dict(volatile or {})))

    @contextmanager
    def _executor(self, num_workers: int | None = None) -> Iterator[Executor]:
        """`num_workers`: None: as many as the evaluator has, which it may have to find out."""
        evaluator, settings = self.evaluator, self.config.others.executor
        run = str(self.folder.path.resolve()) if evaluator.executor_class.shares_disk else None
        with evaluator.sharing(self.folder.restore, self.tell) as shared:
            num_workers = num_workers or evaluator.num_workers(self.tell)
            payload = evaluator.payload(run, identity.of(self.folder.path))
            with executors.create(
                settings.kind,
                Work(evaluator.setup, evaluator.evaluate, payload, shared),
                num_workers=num_workers,
                threads=settings.threads,
                devices=evaluator.devices,
                log_path=self.folder.debug_log,
                hard_timeout_seconds=evaluator.hang_seconds,
            ) as executor:
                yield executor

    def _trackers(self) -> Trackers:
        """Of the run; candidates that were evaluated before an interruption are told again."""
        path = self.folder.path
        scope = Scope("run", path, run=identity.of(path), name=self.folder.name)
        opened = Trackers(self.config.others.trackers, scope)
        opened.params(self.config.to_json())
        opened.networks(list(enumerate(self.state.evaluations, start=1)), self._tracked)
        return opened

    def _tracked(self, numbered: tuple[int, Evaluation]) -> TrackedNetwork:
        """What trackers are told of a candidate, which was done as the N-th."""
        number, evaluation = numbered
        step, index = evaluation.step, evaluation.index
        params: Json = {"cell": evaluation.cell, "step": step, "index": index, "seed": evaluation.seed}
        status = evaluation.error_kind or "completed"
        folder, figures = self.folder.candidate(step, index), self._figures(evaluation)
        return TrackedNetwork(number, f"B{step}/{index}", params, figures, folder, status)

    def _track(self, paths: Iterable[Path]) -> None:
        for path in filter(Path.is_file, paths):
            self.trackers.artifact(path)

    def _figures(self, evaluation: Evaluation) -> dict[str, float]:
        """What trackers are told of a candidate: its objectives, as far as it has them."""
        values = {row.name: row.value(evaluation) for row in self.state.figures}
        return {name: value for name, value in values.items() if value is not None}

    def _is_time_up(self) -> bool:
        return seconds_until(self.deadline) == 0.0

    def _result(self) -> SearchResult:
        assert self.state.finish_reason is not None
        evaluations = self.state.evaluations
        num_failed = sum(evaluation.is_failed for evaluation in evaluations)
        return SearchResult(
            self.folder.path,
            self.state.best,
            self.state.finish_reason,
            len(evaluations),
            num_failed,
            self.was_finished,
        )


def environment() -> dict[str, str | int]:
    """What a result may depend on beside the configuration: for the journal's volatile part."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "popnas": metadata.version("popnas"),
    }
