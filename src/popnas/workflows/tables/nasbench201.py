"""Searches over NAS-Bench-201: the published mapping or the whole benchmark, and what the best cell is worth.

A search sees validation accuracies after 12 or 200 epochs of single trainings; the test accuracy after 200
epochs of the best cell that it found is looked up afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas import evaluators
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.evaluators.nasbench201 import architectures, mapping, stored
from popnas.evaluators.nasbench201.evaluator import NasBench201Evaluator
from popnas.evaluators.nasbench201.stored import DATA_SETS, NasBench201
from popnas.events import Listen, Told, nobody
from popnas.records import Json, Record
from popnas.runs import RunFolder
from popnas.runs.folder import check_place_of_run, place_of_run
from popnas.tasks.image_classification import ImageClassification
from popnas.workflows.searching.search import search
from popnas.workflows.settings import load_config
from popnas.workflows.tables import nasbench201_files
from popnas.workflows.tables.request import BenchmarkRequest, Mode

_NATIVE_STRATEGY: Json = {"score_share": 0.25, "rounds": 4, "growth_share": 0.3, "untrained_parents": 200}
_NATIVE_PREDICTORS: Json = {"score": "trees", "time": "sums"}
"""What found most on average over its three data sets, both signals and 60 to 130 networks (docs/log.md,
2026-11-27)."""
_EVALUATORS: dict[Mode, str] = {"compatible": "nasbench201_compatible", "native": "nasbench201"}


@dataclass(frozen=True)
class BenchmarkRun(Record):
    """One search: how many architectures it looked up, the seconds of training that it would have taken, and
    its best one: official number, text, the validation score that it was chosen by, test accuracy after 200
    epochs (0..100)."""

    folder: str
    seed: int
    queries: int
    training_seconds: float
    index: int
    architecture: str
    validation: float
    test: float


@dataclass(frozen=True)
class BenchmarkResult(Record):
    """All searches. `ceiling`: the best test accuracy of any architecture that the mode reaches (0..100), of
    which there are `reach`; `optimum`: of the benchmark; `mean`, `deviation`: of the runs' test accuracies,
    None for the deviation of one."""

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
    `logs/NAME/SEED`.

    Raises:
        UserError: files that cannot be read, or a name that is taken.
    """
    request.check()
    check_place_of_run(logs, name)
    folder = place_of_run(logs, name)
    figures = nasbench201_files.read(source, tell)
    path = folder / "nasbench201.npz"
    stored.write(path, figures)
    runs = []
    for number in range(request.runs):
        seed = request.seed + number
        config = configuration(path, request, seed)
        result = search(config, name=str(seed), logs=folder, tell=tell)
        runs.append(_run(result.folder, config, figures))
        tell(Told(f"run {number + 1} of {request.runs}: {words(runs[-1])}"))
    tests = np.array([run.test for run in runs])
    place = DATA_SETS.index(request.data_set)
    reached = reach(request.mode)
    return BenchmarkResult(
        table=str(path),
        reach=len(reached),
        ceiling=float(figures.test_200[place][reached].max()),
        optimum=float(figures.test_200[place].max()),
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
    """A search's configuration. Compatible: as published. Native: at most 150 queries in four steps."""
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
        folder=str(folder),
        seed=config.others.seed,
        queries=len(state.evaluations),
        training_seconds=sum(item.training_seconds or 0.0 for item in state.evaluations),
        index=int(figures.index[code]),
        architecture=architectures.text(architectures.edges(np.array([code]))[0]),
        validation=best.score,
        test=round(float(figures.test_200[place][code]), 4),
    )
