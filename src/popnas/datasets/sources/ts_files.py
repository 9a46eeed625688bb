"""Time series in `.ts` files that end in their split's name: PROBLEM_TRAIN.ts, PROBLEM_TEST.ts."""

from __future__ import annotations

from pathlib import Path

from popnas.datasets.series import SeriesData
from popnas.datasets.sources import SOURCES, Request, Source, _ts_format
from popnas.errors import DataError


@SOURCES.register("ts_files", description="time series in .ts files at dataset.path")
class TsFiles(Source):
    """A folder with the files of one problem, or the path of one problem's training file."""

    tasks = frozenset({"time_series_classification"})
    layout = "a file *_TRAIN.ts (and *_VALIDATION.ts, *_TEST.ts)"

    def recognizes(self, path: Path) -> bool:
        """A folder with .ts files of splits, or such a file."""
        return bool(_training_files(path)) or (path.is_dir() and any(path.glob("*.ts")))

    def read(self, request: Request) -> SeriesData:
        """All cases of the problem."""
        assert request.path is not None
        return read_problem(_training_file(request.path), request.splits, str(request.path))


def read_problem(train: Path, splits: tuple[str, ...], place: str) -> SeriesData:
    """The problem of the training file `train`, with those of `splits` that lie beside it."""
    problem = train.stem[: -len("_TRAIN")].lower()
    siblings = {file.stem.lower(): file for file in sorted(train.parent.glob("*.ts"))}
    cases = {
        split: _ts_format.read(siblings[f"{problem}_{split}"])
        for split in splits
        if f"{problem}_{split}" in siblings
    }
    return SeriesData(
        place=place,
        labels={split: labels for split, (_, labels) in cases.items()},
        series={split: series for split, (series, _) in cases.items()},
    )


def _training_files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.ts")) if path.is_dir() else [path]
    return [file for file in files if file.suffix == ".ts" and file.stem.lower().endswith("_train")]


def _training_file(path: Path) -> Path:
    files = _training_files(path)
    same_name = [file for file in files if file.stem.lower() == f"{path.name.lower()}_train"]
    if len(same_name or files) == 1:
        return (same_name or files)[0]
    if not files:
        raise DataError(f"{path} (dataset.path) has no training split: no .ts file there ends in _TRAIN.ts.")
    raise DataError(
        f"{path} (dataset.path) holds several problems: {', '.join(file.name for file in files)}. Give the "
        "path of one of these files."
    )
