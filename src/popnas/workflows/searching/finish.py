"""The end of a search: confirmation of the best cells, the best model's files, and every view of the
journal."""

from __future__ import annotations

from collections.abc import Callable

from popnas import report
from popnas.cells import SearchSpace
from popnas.evaluation import Evaluation
from popnas.evaluators import CellsStacked
from popnas.events import ConfirmationFinished, ConfirmationStarted, Listen, PhaseStarted
from popnas.executors import Executor, Job
from popnas.printable import quoted
from popnas.records import Json
from popnas.report.views import Views
from popnas.runs import RunFolder, RunState, artifacts, write_csv
from popnas.workflows.searching import candidate_jobs, predictions, tables
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
    best = state.ranked[:NUM_CONFIRMED]
    single = next((item for item in state.ranked if item.step == 1), None)
    return best if single is None or single in best else [*best, single]


def confirm(
    folder: RunFolder,
    state: RunState,
    root_seed: int,
    executor: Executor,
    append: Append,
    tell: Listen,
    is_time_up: Callable[[], bool],
) -> bool:
    """Train the best cells again with `NUM_SEEDS` other seeds each; every result is one journal event
    `confirmation`. False if the time was up before all were trained."""
    done = {(item.cell, item.repetition) for item in state.confirmations}
    jobs, expected = {}, dict[str, float | None]()
    for evaluation in cells_to_confirm(state):
        for repetition in range(1, NUM_SEEDS + 1):
            if (evaluation.cell, repetition) not in done:
                job = candidate_jobs.make(evaluation, root_seed, repetition=repetition)
                name = f"{job.cell}#{repetition}"
                jobs[name], expected[name] = job, evaluation.wall_seconds
    if not jobs or is_time_up():
        return not jobs
    clock = ConfirmationClock(executor.num_workers, expected)
    tell(ConfirmationStarted(len(jobs), clock.seconds_left()))
    for result in executor.run([Job(name, job.to_json()) for name, job in jobs.items()], clock.start):
        job = jobs[result.id]
        found = Evaluation.of(job, candidate_jobs.received(result, job, folder.path), is_exploration=False)
        kept = {name: value for name, value in found.content().items() if name in _CONFIRMED}
        append("confirmation", {"cell": job.cell, "repetition": job.repetition, **kept}, found.volatile)
        clock.finish(result.id, found.wall_seconds)
        tell(ConfirmationFinished(clock.seconds_left()))
        if is_time_up():
            executor.drain()
    return not clock.left


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
