"""What a run has come to, and several runs on one scale, as the page shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from popnas.errors import PopnasError, UserError
from popnas.evaluation import Evaluation
from popnas.export import description
from popnas.objectives import Objective
from popnas.pareto import normalized_hypervolume
from popnas.report import durations, hypervolumes
from popnas.report.run_data import RunData
from popnas.runs.front import train_command, trained_front
from popnas.server.access.places import Entry, NotThereError, listed, open_file
from popnas.server.answers import (
    ComparedRun,
    ComparedRuns,
    FrontPoint,
    ObjectiveAnswer,
    PredictorQuality,
    Quality,
    RunResults,
    TimeSpent,
    TrainedFiles,
)

_MOST_FRONT = 500
_MOST_POINTS = 5000
_NUM_VOLUMES = 40
_WORTH_TAKING = (
    "model.onnx",
    "model.int8.onnx",
    "weights.safetensors",
    "model.json",
    "README.md",
    "eval.html",
)
_DEPLOYED = "deploy"
_MOST_JSON = 16 << 20


def results_of(run: RunData) -> RunResults:
    """The front, the trained networks and the report of a run."""
    front = [
        FrontPoint(
            cell=item.cell,
            step=item.step,
            figures={row.name: row.value(item) for row in run.state.figures},
            command=train_command(run.path, run.config, item.cell),
        )
        for item in trained_front(run.state)[:_MOST_FRONT]
    ]
    has_report = any(entry.name == "report.html" for entry in listed(run.path, ""))
    return RunResults(
        front=front, models=list(_models(run.path)), report="report.html" if has_report else None
    )


def _models(run: Path) -> Iterator[TrainedFiles]:
    """Trained networks, the last stage's first."""
    for top, title in (
        ("final_training", "Final training"),
        ("model_selection", "Model selection"),
        ("best_model", "Best of the search"),
    ):
        for folder in (top, *folders_in(run, top)):
            deployed = f"{folder}/{_DEPLOYED}"
            place = deployed if _entries(run, deployed) else folder
            found = _model(run, place, title, folder)
            if found is not None:
                yield found


def _model(run: Path, place: str, title: str, folder: str) -> TrainedFiles | None:
    names = [entry.name for entry in _entries(run, place)]
    if "model.json" not in names:
        return None
    try:
        described = description.read(run / place)
    except PopnasError:
        return None
    paths = [f"{place}/{name}" for name in _WORTH_TAKING if name in names]
    paths += [f"{folder}/eval.html"] if place != folder and has_file(run, folder, "eval.html") else []
    return TrainedFiles(
        folder=folder,
        title=title,
        cell=described.cell,
        params=described.params,
        score=None if described.outcome is None else described.outcome.score,
        test=_test_metrics(run, folder),
        files=paths,
    )


def _test_metrics(run: Path, folder: str) -> dict[str, float] | None:
    try:
        with open_file(run, f"{folder}/eval.json") as file:
            found = json.loads(file.read(_MOST_JSON))["metrics"]
        return {str(name): float(value) for name, value in found.items()}
    except (NotThereError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _entries(run: Path, folder: str) -> Sequence[Entry]:
    try:
        return listed(run, folder)
    except NotThereError:
        return []


def folders_in(run: Path, folder: str) -> list[str]:
    """The folders of more models beside one; its deployment is a part of it."""
    found = [entry.name for entry in _entries(run, folder) if entry.is_folder and entry.name != _DEPLOYED]
    return [f"{folder}/{name}" for name in found]


def has_file(run: Path, folder: str, name: str) -> bool:
    """Whether a file or folder of that name lies in a folder of a run, which need not be there."""
    return any(entry.name == name for entry in _entries(run, folder))


def quality_of(run: RunData) -> Quality:
    """How well predictors foretold what was trained, and where time went."""
    from popnas.report.figures import predicted_real  # matplotlib is loaded only for this

    found = predicted_real.compute(run)
    predictors = []
    for item in [] if found is None else found.comparisons:
        figures = item.figures
        predictors.append(
            PredictorQuality(
                objective=item.objective,
                title=item.title,
                unit=item.unit,
                step=item.step,
                mape=figures["MAPE"],
                spearman=figures["Spearman"],
                r2=figures["R²"],
                predicted=item.predicted[:_MOST_POINTS].tolist(),
                real=item.real[:_MOST_POINTS].tolist(),
            )
        )
    times = [
        TimeSpent(
            step=item.step,
            num_networks=item.num_networks,
            training=item.training,
            validation=item.validation,
            other=item.other,
            failed=item.failed,
        )
        for item in durations.per_step(run)
    ]
    return Quality(predictors=predictors, times=times)


def compared(runs: Sequence[RunData]) -> ComparedRuns:
    """Several runs on one scale: their cells, and the hypervolume as it grew.

    Raises:
        UserError: runs of different tasks or score metrics.
    """
    for what, values in (
        ("tasks", {run.task for run in runs}),
        ("score metrics", {run.score_metric for run in runs}),
    ):
        if len(values) > 1:
            raise UserError(f"runs of different {what} cannot be compared: {', '.join(map(str, values))}.")
    rows = list(dict.fromkeys(row for run in runs for row in run.objectives))
    found = [_arrived(run, rows) for run in runs]
    ends = [_ends(len(items)) for items in found]
    sets = [
        hypervolumes.values(items[:end], rows) for items, own in zip(found, ends, strict=True) for end in own
    ]
    volumes = iter(normalized_hypervolume(sets, [row.is_maximized for row in rows]) if sets else [])
    return ComparedRuns(
        objectives=[
            ObjectiveAnswer(
                name=row.name, title=row.title, unit=row.unit, is_maximized=row.is_maximized, is_asked=True
            )
            for row in rows
        ],
        runs=[
            ComparedRun(
                name=run.name,
                values=np.asarray(hypervolumes.values(items, rows)).tolist(),
                cells=[item.cell for item in items],
                hypervolumes=[(end, _seconds(items[:end]), next(volumes)) for end in own],
            )
            for run, items, own in zip(runs, found, ends, strict=True)
        ],
    )


def _arrived(run: RunData, rows: Sequence[Objective]) -> list[Evaluation]:
    """The cells that have all figures, in the order in which they were evaluated."""
    return [
        item
        for item in run.state.arrived
        if item.step > 0 and not item.is_failed and all(row.value(item) is not None for row in rows)
    ]


def _ends(count: int) -> list[int]:
    """After how many networks a hypervolume is computed."""
    return sorted({round(end) for end in np.linspace(1, count, min(count, _NUM_VOLUMES))}) if count else []


def _seconds(items: Sequence[Evaluation]) -> float:
    return sum(item.wall_seconds or 0.0 for item in items)
