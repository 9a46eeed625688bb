"""A comparison of searches over one table, resumable after any interruption.

Every trial (a method with one seed) is one event of a journal, on disk before the next result is waited for;
what is made of them does not depend on the order in which they ended, nor on how many workers did them.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from popnas import evaluators, executors, files
from popnas.command_lines import as_typed
from popnas.errors import DataError, PopnasError, UserError
from popnas.evaluators import Evaluator
from popnas.evaluators.nasbench201 import stored
from popnas.evaluators.table import stored as cell_table
from popnas.events import Listen, PhaseAdvanced, PhaseStarted, RunOpened, Warned, nobody
from popnas.executors import Executor, Job, Work
from popnas.printable import quoted
from popnas.process_state import forks, torch_as_imported
from popnas.report import canvas
from popnas.report.views import Views
from popnas.runs.folder import place_of_run
from popnas.storage import write_bytes, write_json
from popnas.strategy import round_significant
from popnas.workflows.searching import surrogates
from popnas.workflows.settings import unused
from popnas.workflows.tables import nasbench201_files
from popnas.workflows.tables.building import environment
from popnas.workflows.tables.comparing import curves, nsga2, progressive, trial
from popnas.workflows.tables.comparing.folder import (
    TABLE_PATH,
    VERSION,
    Compared,
    ComparisonFolder,
    ComparisonStarted,
    TrialDone,
)
from popnas.workflows.tables.comparing.ground import ground_of
from popnas.workflows.tables.comparing.judging import Judge
from popnas.workflows.tables.comparing.named import left_out
from popnas.workflows.tables.comparing.request import PROGRESSIVE, WALKS, CompareRequest
from popnas.workflows.tables.comparing.results import ComparisonResult, Results
from popnas.workflows.tables.comparing.trial import Trial, TrialSetup, Tried
from popnas.workflows.tables.redrawn import redrawn

_SECONDS_DIGITS = 3


@torch_as_imported()
def compare(
    source: Path,
    request: CompareRequest,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    workers: int | None = None,
    tell: Listen = nobody,
) -> ComparisonResult:
    """Compare over a table of cells, or over figures of NAS-Bench-201 in any of their files, which are kept
    in the folder `logs/name` (default: date and time); `workers`: None for one per core.

    Raises:
        UserError: a mistake in the request, the table or a configuration, or a name that is taken.
        PopnasError: a search failed.
    """
    forks.check("a comparison")
    request.check()
    if "nsga2" in request.methods:
        nsga2.check_installed()
    folder = ComparisonFolder(place_of_run(logs, name))
    with tempfile.TemporaryDirectory() as scratch:
        table = _as_arrays(source, Path(scratch), tell)
        if request.latency is not None:
            table = _with_latency(table, request.latency, Path(scratch))
        if request.trainings is not None:
            table = _with_trainings(table, request.trainings, Path(scratch))
        evaluator = _checked(table, request, tell)
        request = _with_seconds(request, evaluator)
        with folder.made():
            place = str(table.absolute())
            if table.parent == Path(scratch):
                write_bytes(folder.path / table.name, table.read_bytes(), is_durable=True)
                place = table.name
            started = ComparisonStarted(VERSION, place, evaluator.facts(), request)
            folder.start(started.to_json(), environment())
            return _Comparison(folder, folder.read(), evaluator, tell).run(workers)


@torch_as_imported()
def resume(
    path: Path | str, *, table: Path | None = None, workers: int | None = None, tell: Listen = nobody
) -> ComparisonResult:
    """Go on with a comparison; of a finished one tables and plots are written again.

    `table`: where the table is now, if it was moved; the folder remembers that.

    Raises:
        UserError: no such folder, locked by another process, or another table.
        PopnasError: a search failed.
    """
    forks.check("a comparison")
    folder = ComparisonFolder(files.given(path, "the folder of the comparison"))
    folder.read()  # says what is wrong before a lock is looked for in a folder of something else
    with folder.lock():
        compared = folder.read()
        place = folder.table(compared) if table is None else table
        if not files.exists(place):
            again = as_typed("bench", "compare", "-r", folder.path, "-p", "TABLE")
            raise DataError(
                f"{quoted(place)}, the table of this comparison, {files.missing(place)} If it was moved, say "
                f"once where it is now: {again} (it is checked that it is the same)."
            )
        evaluator = _checked(place, compared.started.request, tell)
        evaluator.compare(compared.started.facts)
        if table is not None:
            with folder.journal as journal:
                folder.apply(compared, journal.append("moved", {}, {TABLE_PATH: str(table.absolute())}))
        return _Comparison(folder, compared, evaluator, tell).run(workers)


def _as_arrays(source: Path, scratch: Path, tell: Listen) -> Path:
    """The file itself if it holds plain arrays; else figures of NAS-Bench-201, read and kept as such."""
    if source.suffix == ".npz":
        return source
    if files.exists(source / cell_table.NAME):
        cell_table.check_there(source)
    path = scratch / "nasbench201.npz"
    stored.write(path, nasbench201_files.read(source, tell))
    return path


def _with_latency(table: Path, latency: tuple[str, str], scratch: Path) -> Path:
    device, file = latency
    if progressive.is_cells(table):
        raise UserError(
            f"`latency` {device}={quoted(file)}: is of NAS-Bench-201; a table of `popnas bench build` has "
            "its own inference times. Leave it out."
        )
    path = scratch / "nasbench201.npz"
    found = nasbench201_files.with_latency(stored.read(table), files.user_path(file), device)
    stored.write(path, found)
    return path


def _with_trainings(table: Path, trainings: int, scratch: Path) -> Path:
    if not progressive.is_cells(table):
        raise UserError(
            f"`trainings` {trainings}: are drawn around the cells of a table of `popnas bench build`, not of "
            "NAS-Bench-201. Leave it out."
        )
    path = scratch / "redrawn.npz"
    cell_table.write(path, redrawn(cell_table.read(table), trainings))
    return path


def _checked(table: Path, request: CompareRequest, tell: Listen) -> Evaluator:
    """The evaluator of the table's own search, after a look at every configuration.

    Raises:
        UserError: a table or a configuration that cannot be searched.
    """
    tell(PhaseStarted("reading the table"))
    config = progressive.default_config(table, request, request.seed)
    evaluator = evaluators.create(config)
    if request.objective not in (known := evaluator.objectives()):
        costs = ", ".join(name for name in known if name != "score")
        raise UserError(
            f"`objective` '{request.objective}': {table} has no figures of it. Choose among: {costs}."
        )
    if progressive.is_cells(table) and request.data_set != CompareRequest.data_set:
        tell(Warned(f"`data_set` {request.data_set}: has no effect: {table} is of one data set."))
    for sentence in [*evaluator.told, *evaluator.check()]:
        tell(Warned(sentence))
    firsts = progressive.num_firsts(evaluator)
    if min(request.networks) <= firsts:
        tell(
            Warned(
                f"a search begins with the {firsts} cells of at most one block: with {min(request.networks)} "
                "networks it ends there."
            )
        )
    _check_searches(request, evaluator, tell)
    return evaluator


def _check_searches(request: CompareRequest, evaluator: Evaluator, tell: Listen) -> None:
    """Look at every search of popnas that is compared, within every budget, and tell what is said of those
    under names of their own beside what is said of all."""
    base = evaluator.config
    searched = [None] if PROGRESSIVE.keys() & set(request.methods) else []
    is_told = {*unused(base), *evaluator.told, *evaluator.check()}
    for named in [*searched, *request.configs]:
        planned = [progressive.planned(base, named, networks) for networks in request.networks]
        own = evaluators.create(max(planned, key=lambda config: config.search_strategy.max_children))
        if named is not None or {"search", "pnas"} & set(request.methods):
            surrogates.check_libraries(own)
        checked = own.check()
        if named is not None:
            told = [*left_out(base, named), *unused(own.config), *own.told, *checked]
            for sentence in told:
                if sentence not in is_told:
                    tell(Warned(f"{named.name}: {sentence}"))


def _with_seconds(request: CompareRequest, evaluator: Evaluator) -> CompareRequest:
    """With budgets in seconds: what so many networks of the median training time take."""
    ground = ground_of(evaluator, request.objective)  # one that cannot be judged is refused here
    if request.seconds:
        return request
    median = np.nanmedian(ground.seconds[ground.open_rows])
    seconds = round_significant(median * np.array(request.networks), _SECONDS_DIGITS)
    return dataclasses.replace(request, seconds=tuple(seconds.tolist()))


class _Comparison:
    """One comparison under way."""

    def __init__(
        self, folder: ComparisonFolder, compared: Compared, evaluator: Evaluator, tell: Listen
    ) -> None:
        self.folder, self.compared, self.evaluator, self.tell = folder, compared, evaluator, tell
        self.request = compared.started.request
        self.judge = Judge(ground_of(evaluator, self.request.objective))

    def run(self, workers: int | None) -> ComparisonResult:
        """Do the trials that are not done yet, and write what they came to."""
        self.tell(RunOpened(self.folder.path))
        trials = _trials(self.request)
        pending = [trial for trial in trials if trial.name not in self.compared.tried]
        self.tell(PhaseStarted("searching", len(trials)))
        if pending:
            with self.folder.journal, self._executor(workers) as executor:
                self._search(pending, len(trials), executor)
        return self._written()

    def _search(self, pending: Sequence[Trial], num_all: int, executor: Executor) -> None:
        jobs = {trial.name: trial for trial in pending}
        began, first = time.monotonic(), num_all - len(pending)
        handed_out = [Job(name, trial.to_json()) for name, trial in jobs.items()]
        for number, result in enumerate(executor.run(handed_out), start=1):
            if result.value is None:
                raise PopnasError(f"{result.id}: {result.error}\n{result.traceback or ''}".rstrip())
            done = TrialDone(jobs[result.id], Tried.from_json(result.value))
            self.folder.apply(self.compared, self.folder.journal.append("tried", dict(done.to_json())))
            left = (time.monotonic() - began) / number * (len(pending) - number)
            self.tell(PhaseAdvanced(first + number, seconds_left=left))

    def _executor(self, workers: int | None) -> Executor:
        setup = TrialSetup(str(self.folder.table(self.compared).absolute()), self.request)
        return executors.create(
            "inline" if workers == 1 else "processes",
            Work(f"{trial.__name__}:setup", f"{trial.__name__}:evaluate", setup.to_json()),
            num_workers=workers,
            log_path=self.folder.debug_log,
        )

    def _written(self) -> ComparisonResult:
        self.tell(PhaseStarted("judging what was found"))
        results = Results(self.compared, self.request, self.judge)
        result = results.result(str(self.folder.path), self.evaluator.facts())
        # Two equal comparisons have equal files, wherever they lie.
        write_json(
            self.folder.result, {name: value for name, value in result.to_json().items() if name != "folder"}
        )
        found = results.curves()
        curves.write_points(self.folder.csv, found)
        views = Views(self.tell)
        for kind in ("svg", "png"):
            path = self.folder.curves(kind)
            with views.view(str(path)):
                write_bytes(path, canvas.encode_painted(lambda: curves.paint(result, found), kind))
        return result


def _trials(request: CompareRequest) -> list[Trial]:
    """All, those of one seed together, so that an interrupted comparison has whole seeds."""
    return [
        Trial(name, seed, networks)
        for seed in range(request.seed, request.seed + request.seeds)
        for name in request.names
        for networks in ([None] if name in WALKS else request.networks)
    ]
