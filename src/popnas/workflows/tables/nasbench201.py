"""Searches over NAS-Bench-201: the published mapping or the whole benchmark, and what the best cell is worth.

A search sees validation accuracies after 12 or 200 epochs of single trainings; the test accuracy after 200
epochs of the best cell that it found is looked up afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from popnas import evaluators, files
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.errors import DataError
from popnas.evaluators.nasbench201 import architectures, mapping, stored
from popnas.evaluators.nasbench201.evaluator import NasBench201Evaluator
from popnas.evaluators.nasbench201.stored import DATA_SETS, NasBench201
from popnas.events import JobEvent, Listen, RunOpened, Told, nobody
from popnas.printable import quoted
from popnas.records import Json, Record
from popnas.runs import RunFolder
from popnas.runs.folder import check_place_of_run, place_of_run
from popnas.storage import write_json
from popnas.tasks.image_classification import ImageClassification
from popnas.workflows.searching import search as search_module
from popnas.workflows.settings import load_config
from popnas.workflows.tables import nasbench201_files
from popnas.workflows.tables.building import environment
from popnas.workflows.tables.nasbench201_folder import (
    VERSION,
    BenchmarkFolder,
    BenchmarkRun,
    BenchmarkStarted,
)
from popnas.workflows.tables.request import BenchmarkRequest, Mode

_NATIVE_STRATEGY: Json = {"score_share": 0.25, "rounds": 4, "growth_share": 0.3, "untrained_parents": 200}
_NATIVE_PREDICTORS: Json = {"score": "trees", "time": "sums"}
"""What found most on average over its three data sets, both signals and 60 to 130 networks (docs/log.md,
2026-11-27)."""
_EVALUATORS: dict[Mode, str] = {"compatible": "nasbench201_compatible", "native": "nasbench201"}


@dataclass(frozen=True)
class BenchmarkResult(Record):
    """All searches, in `folder`. `ceiling`: the best test accuracy of any architecture that the mode reaches
    (0..100), of which there are `reach`; `optimum`: of the benchmark; `mean`, `deviation`: of the runs' test
    accuracies, None for the deviation of one."""

    folder: str
    request: BenchmarkRequest
    table: str
    reach: int
    ceiling: float
    optimum: float
    runs: list[BenchmarkRun]
    mean: float
    deviation: float | None


def benchmark(
    source: Path,
    request: BenchmarkRequest,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    tell: Listen = nobody,
) -> BenchmarkResult:
    """Read files of NAS-Bench-201, keep them as `logs/NAME/nasbench201.npz`, and search there, each run in
    `logs/NAME/SEED`. `logs/NAME/benchmark.json` says what they came to.

    Raises:
        UserError: files that cannot be read, or a name that is taken.
    """
    request.check()
    check_place_of_run(logs, name)
    folder = BenchmarkFolder(place_of_run(logs, name))
    figures = nasbench201_files.read(source, tell)
    with folder.made():
        stored.write(folder.table, figures)
        folder.start(BenchmarkStarted(VERSION, request, figures.sha256).to_json(), environment())
        return _Benchmark(folder, figures, tell).run()


def resume(path: Path | str, *, tell: Listen = nobody) -> BenchmarkResult:
    """Go on with the searches of a folder: what has ended is not done again, what was interrupted goes on.

    Raises:
        UserError: no such folder, locked by another process, or other figures in it.
    """
    folder = BenchmarkFolder(files.given(path, "the folder of the searches"))
    known = folder.read().started.sha256
    figures = stored.read(folder.table)
    if figures.sha256 != known:
        raise DataError(
            f"{quoted(folder.table)} does not hold the figures that these searches were started with. Put "
            "back the file, or start new ones."
        )
    with folder.lock():
        return _Benchmark(folder, figures, tell).run()


class _Benchmark:
    """Searches under way; the lock of their folder is held."""

    def __init__(self, folder: BenchmarkFolder, figures: NasBench201, tell: Listen) -> None:
        self.folder, self.figures, self.tell = folder, figures, tell
        self.done = folder.read()
        self.request = self.done.started.request

    def run(self) -> BenchmarkResult:
        """Do the searches that have not ended yet, and write what all came to."""
        request = self.request
        self.tell(RunOpened(self.folder.path))
        with self.folder.journal as journal:
            for number in range(request.runs):
                seed = request.seed + number
                if seed not in self.done.runs:
                    found = self._searched(seed)
                    self.folder.apply(self.done, journal.append("run", dict(found.to_json()), {}))
                self.tell(Told(f"run {number + 1} of {request.runs}: {words(self.done.runs[seed])}"))
        result = self._result()
        # Two equal benchmarks have equal files, wherever they lie.
        write_json(self.folder.result, result.to_json())
        runs = [replace(run, folder=str(self.folder.path / run.folder)) for run in result.runs]
        return replace(result, folder=str(self.folder.path), table=str(self.folder.table), runs=runs)

    def _searched(self, seed: int) -> BenchmarkRun:
        config = configuration(self.folder.table, self.request, seed)
        place = self.folder.path / str(seed)
        if files.exists(place):
            # All may have been moved together.
            search_module.resume(place, sets=[f"dataset.path={self.folder.table}"], tell=self._hear)
        else:
            search_module.search(config, name=place.name, logs=self.folder.path, tell=self._hear)
        return _run(place, config, self.figures)

    def _hear(self, event: JobEvent) -> None:
        """Whoever goes on does so in the folder of all."""
        if not isinstance(event, RunOpened):
            self.tell(event)

    def _result(self) -> BenchmarkResult:
        request = self.request
        runs = [self.done.runs[seed] for seed in range(request.seed, request.seed + request.runs)]
        tests = np.array([run.test for run in runs])
        test_A = self.figures.test_200[DATA_SETS.index(request.data_set)]
        reached = reach(request.mode)
        return BenchmarkResult(
            folder=".",
            request=request,
            table=self.folder.table.name,
            reach=len(reached),
            ceiling=float(test_A[reached].max()),
            optimum=float(test_A.max()),
            runs=runs,
            mean=float(tests.mean()),
            deviation=float(tests.std(ddof=1)) if len(tests) > 1 else None,
        )


def words(run: BenchmarkRun) -> str:
    """A run in a line."""
    return (
        f"test {run.test:.2f} % (validation {100 * run.validation:.2f} %) after {run.queries} queries and "
        f"{run.training_seconds / 3600:.1f} h of training: {run.architecture}"
    )


def reach(mode: Mode) -> np.ndarray:
    """The codes of all architectures that searches of a mode can find; of those that compute the same, one or
    a few."""
    mapped = mapping.native() if mode == "native" else mapping.compatible()
    return np.unique(mapped.codes)


def configuration(table: Path, request: BenchmarkRequest, seed: int) -> RunConfig:
    """A search's configuration. Compatible: as published. Native: at most 66 queries in four steps."""
    is_native = request.mode == "native"
    document: Json = {
        "search_space": {
            "blocks": 4 if is_native else 2,
            "lookback_depth": 1,
            "operators": list(mapping.native().operators if is_native else mapping.compatible().operators),
        },
        "search_strategy": {
            "max_children": 32 if is_native else 128,
            "max_exploration_children": 4 if is_native else 0,
            **(_NATIVE_STRATEGY if is_native else {}),
            "additional_pareto_objectives": ["time"] if is_native else ["time", "params"],
        },
        "training_hyperparameters": {"epochs": request.epochs},
        "dataset": {"type": ImageClassification.name, "name": request.data_set, "path": str(table)},
        "others": {
            "evaluator": _EVALUATORS[request.mode],
            "seed": seed,
            "trackers": [],
            "predictors": _NATIVE_PREDICTORS if is_native else {},
        },
    }
    return load_config(document)


def _run(folder: Path, config: RunConfig, figures: NasBench201) -> BenchmarkRun:
    state = RunFolder.open(folder).state()
    best = state.best
    evaluator = evaluators.create(config)
    assert best is not None and best.score is not None and isinstance(evaluator, NasBench201Evaluator)
    (code,) = evaluator.codes(evaluator.space.encode([Cell.parse(best.cell)]))
    place = DATA_SETS.index(evaluator.data_set)
    return BenchmarkRun(
        folder=folder.name,
        seed=config.others.seed,
        queries=len(state.evaluations),
        training_seconds=sum(item.training_seconds or 0.0 for item in state.evaluations),
        index=int(figures.index[code]),
        architecture=architectures.text(architectures.edges(np.array([code]))[0]),
        validation=best.score,
        test=round(float(figures.test_200[place][code]), 4),
    )
