"""What a study leaves in a folder: figures and predictions as CSV, plots, attributions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from popnas.errors import MissingExtraError
from popnas.predictors.tabular import Explained
from popnas.storage import write_table
from popnas.workflows.studies import plots
from popnas.workflows.studies.attributions import attributions, check_shap
from popnas.workflows.studies.figures import NAMES
from popnas.workflows.studies.study import Asked, Study

_ATTRIBUTED = 20


def write(folder: Path, study: Study) -> list[Path]:
    """All files; returns their paths. Attributions are left out where shap is not installed, which `study` is
    told as missing.

    Raises:
        StorageError: the disk refused.
    """
    found = [
        _written(folder / "figures.csv", *_figures(study)),
        _written(folder / "predictions.csv", *_predictions(study)),
    ]
    found += plots.write(folder, study)
    tabular = _of_first_seed(study)
    try:
        check_shap()
    except MissingExtraError as error:
        study.missing.append(str(error))
        return found
    if tabular:
        rows = [
            (item.source, item.split.step, item.predictor, feature, f"{share:.6g}")
            for item in tabular
            for feature, share in attributions(item.fitted, _known_cells(study, item))[:_ATTRIBUTED]
        ]
        columns = ("source", "step", "predictor", "feature", "mean_abs_shap")
        found.append(_written(folder / "attributions.csv", columns, rows))
    return found


def _figures(study: Study) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    columns = ("source", "step", "asked", "predictor", "seed", "learnt", "cells", *NAMES)
    rows = (
        (
            *(item.source, item.split.step, item.split.kind, item.predictor, item.seed),
            *(len(item.split.learnt), len(item.real)),
            *(getattr(item.figures, name) for name in NAMES),
        )
        for item in study.fits
    )
    return columns, rows


def _predictions(study: Study) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    by_name = study.by_name
    columns = ("source", "step", "predictor", "seed", "cell", "predicted", "real")
    rows = (
        (item.source, item.split.step, item.predictor, item.seed, str(cell), predicted, real)
        for item in study.fits
        for cell, predicted, real in zip(
            by_name[item.source].space.decode(by_name[item.source].cells[item.split.asked]),
            item.predicted.tolist(),
            item.real.tolist(),
            strict=True,
        )
    )
    return columns, rows


def _written(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    write_table(path, columns, rows)
    return path


def _of_first_seed(study: Study) -> list[Asked]:
    first = min(item.seed for item in study.fits)
    return [item for item in study.fits if item.seed == first and isinstance(item.fitted, Explained)]


def _known_cells(study: Study, item: Asked) -> np.ndarray:
    return study.by_name[item.source].cells[item.split.asked]
