"""The end of a search: confirmation of the best cells, the best model's files, and every view of the
journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from popnas import report
from popnas.cells import SearchSpace
from popnas.evaluation import CandidateJob, Evaluation
from popnas.evaluators import CellsStacked
from popnas.events import ConfirmationFinished, ConfirmationStarted, Listen, PhaseStarted, SecondsLeft
from popnas.executors import Executor, Job
from popnas.printable import quoted
from popnas.records import Json
from popnas.report.views import Views
from popnas.runs import RunFolder, RunState, artifacts, write_csv
from popnas.runs.stored.countdown import seconds_until
from popnas.workflows.searching import candidate_jobs, predictions, tables
from popnas.workflows.searching.machines import Machines
from popnas.workflows.searching.time_left import ConfirmationClock

NUM_CONFIRMED = 5
NUM_SEEDS = 3
NUM_CONFIRMATIONS = NUM_CONFIRMED * NUM_SEEDS
_CONFIRMED = frozenset({"seed", "metrics", "score", "training_seconds", "error", "error_kind"})
"""What a confirmation tells of its training."""

Append = Callable[[str, Json, Json], None]


def keep_only_best_weights(folder: RunFolder, state: RunState) -> None:
    """Remove weights of evaluated cells that a better one has superseded."""
    directory = folder.path / artifacts.WEIGHTS
    files = list(directory.glob("*.safetensors")) if directory.is_dir() else []
    if len(files) < 2 or state.best is None:
        return
    kept = folder.weights(state.best.cell)
    if kept.exists():
        # A file of a cell without an Evaluation belongs to a candidate that is just being finished.
        evaluated = {folder.weights(item.cell) for item in state.successes}
        for path in set(files) & evaluated - {kept}:
            path.unlink(missing_ok=True)


def cells_to_confirm(state: RunState) -> list[Evaluation]:
    """The best cells by score, and the best of a single block, so that what growing brought can be told from
    noise."""
    ranked = state.ranked
    best = ranked[:NUM_CONFIRMED]
    single = next((item for item in ranked if item.step == 1), None)
    return best if single is None or single in best else [*best, single]


def confirmation(job: CandidateJob, found: Evaluation) -> Json:
    """What the journal tells of a cell trained again."""
    kept = {name: value for name, value in found.content().items() if name in _CONFIRMED}
    return {"cell": job.cell, "repetition": job.repetition, **kept}


@dataclass(frozen=True)
class Again:
    """Trains cells of a run again; every result is one journal event `confirmation`."""

    folder: RunFolder
    state: RunState
    executor: Executor
    machines: Machines
    append: Append
    tell: Listen
    is_time_up: Callable[[], bool]
    deadline: float | None
    """By `time.monotonic()`; None: there is none."""

    def best_cells(self, root_seed: int) -> bool:
        """The best cells with `NUM_SEEDS` other seeds each, as far as they are not trained so. False if the
        time was up before all were."""
        cells = cells_to_confirm(self.state)
        wanted = [(cell, repetition) for cell in cells for repetition in range(1, NUM_SEEDS + 1)]
        return self.train(candidate_jobs.lacking(wanted, root_seed, self.state))

    def train(self, wanted: Sequence[CandidateJob]) -> bool:
        """False if the time was up before all were trained."""
        jobs = {f"{job.cell}#{job.repetition}": job for job in wanted}
        if not jobs or self.is_time_up():
            return not jobs
        before = {item.cell: item.wall_seconds for item in self.state.evaluations}
        clock = ConfirmationClock(
            self.executor.num_workers, {name: before.get(job.cell) for name, job in jobs.items()}
        )
        self.tell(ConfirmationStarted(len(jobs), self._left(clock)))
        handed_out = [Job(name, job.to_json()) for name, job in jobs.items()]
        for result in self.executor.run(handed_out, clock.start, is_time_up=self.is_time_up):
            job = jobs[result.id]
            measured = self.machines.alike(candidate_jobs.received(result, job, self.folder.path))
            found = Evaluation.of(job, measured, is_exploration=False)
            self.append("confirmation", confirmation(job, found), found.volatile)
            clock.finish(result.id, found.wall_seconds)
            self.tell(ConfirmationFinished(self._left(clock)))
        return not clock.left

    def _left(self, clock: ConfirmationClock) -> SecondsLeft:
        return replace(clock.seconds_left(), limit=seconds_until(self.deadline))


def views(
    folder: RunFolder,
    state: RunState,
    cells_stacked: CellsStacked,
    space: SearchSpace,
    tell: Listen,
    made: Views,
) -> None:
    """Everything that can be derived from the journal and the predictions: CSV files, plots, the report."""
    tell(PhaseStarted("writing tables and the report"))
    with made.view(f"the tables of the search in {quoted(folder.csv)}"):
        write_csv(folder, state)
    with made.view("the tables of features"):
        tables.write_features(folder, state, cells_stacked, space)
    with made.view("the tables of predictors"):
        tables.write_predictors(folder, state)
    for known in state.predictions.values():
        with made.view(f"the table of the predictions of step {known.step}"):
            predictions.write_csv(folder, state, known)
    report.write(folder, state, made)
