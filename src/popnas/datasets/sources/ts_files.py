"""Time series in `.ts` files whose names end in their split: PROBLEM_TRAIN.ts, PROBLEM_TEST.ts."""

from __future__ import annotations

from pathlib import Path

from popnas.datasets.findings import Findings, Mistakes
from popnas.datasets.layouts import children, one_each, split_named
from popnas.datasets.series import SeriesData
from popnas.datasets.sources import SOURCES, Request, Source, _ts_format
from popnas.datasets.sources._ts_format import Cases
from popnas.errors import DataError
from popnas.files import is_folder
from popnas.printable import quoted


@SOURCES.register("ts_files", description="time series in .ts files at dataset.path")
class TsFiles(Source):
    """A folder with the files of one problem, or the path of one problem's training file."""

    tasks = frozenset({"time_series_classification"})
    layout = "a file *_TRAIN.ts (and *_VALIDATION.ts, *_TEST.ts)"

    def recognizes(self, path: Path) -> bool:
        """A folder with .ts files of splits, or such a file."""
        return bool(_training_files(path)) or (is_folder(path) and bool(_ts_files(path)))

    def read(self, request: Request) -> SeriesData:
        """All cases of the problem."""
        assert request.path is not None
        train, findings = _training_file(request.path), Findings()
        if is_folder(request.path):
            _find_others(train, findings)
        return read_problem(train, request.splits, quoted(request.path), findings)


def read_problem(
    train: Path, splits: tuple[str, ...], place: str, findings: Findings | None = None
) -> SeriesData:
    """The problem of the training file `train`, with those of `splits` that lie beside it."""
    findings, mistakes = findings or Findings(), Mistakes()
    found = _splits_of(train)
    cases: dict[str, Cases] = {}
    for split in splits:
        if split in found:
            with mistakes.held(found[split], split):
                cases[split] = _ts_format.read(found[split], findings.of(split))
    mistakes.check()
    return SeriesData(
        place=place,
        labels={split: part.classes for split, part in cases.items()},
        series={split: part.series for split, part in cases.items()},
        names={split: part.names for split, part in cases.items()},
        findings=findings,
        end_remedy=_ts_format.END_REMEDY,
        axes_remedy=_ts_format.AXES_REMEDY,
        remove_remedy="",
    )


def _splits_of(train: Path) -> dict[str, Path]:
    """The files of the problem with the training file `train`, by split."""
    problem, _ = _problem_and_split(train) or ("", "")
    named = [(_problem_and_split(file), file) for file in _ts_files(train.parent)]
    return one_each((parts[1], file) for parts, file in named if parts is not None and parts[0] == problem)


def _find_others(train: Path, findings: Findings) -> None:
    """What lies beside the files of a problem in a folder that was given as the data."""
    used = _splits_of(train).values()
    for file in _ts_files(train.parent):
        if _problem_and_split(file) is None:
            findings.add("files whose names do not end in _TRAIN, _VALIDATION or _TEST are not used", file)
        elif file not in used:
            findings.add("files of other problems are not used", file)


def _problem_and_split(file: Path) -> tuple[str, str] | None:
    """The problem in lower case and the split that a file's name says, or None: `P_TRAIN.ts`."""
    problem, _, ending = file.stem.rpartition("_")
    split = split_named(ending)
    return (problem.casefold(), split) if problem and split else None


def _ts_files(folder: Path) -> list[Path]:
    return children(folder, lambda name: name.lower().endswith(".ts"))


def _training_files(path: Path) -> list[Path]:
    files = _ts_files(path) if is_folder(path) else [path]
    return [
        file
        for file in files
        if file.suffix.lower() == ".ts" and (_problem_and_split(file) or ("", ""))[1] == "train"
    ]


def _training_file(path: Path) -> Path:
    files = _training_files(path)
    problems = {parts[0] for file in files if (parts := _problem_and_split(file)) is not None}
    same_name = [file for file in files if (_problem_and_split(file) or ("",))[0] == path.name.casefold()]
    if len(problems) == 1 or same_name:
        return (same_name or files)[0]
    if not files:
        raise DataError(
            f"{quoted(path)} (dataset.path) has no training split: no .ts file there ends in _TRAIN.ts."
        )
    raise DataError(
        f"{quoted(path)} (dataset.path) holds several problems: {', '.join(file.name for file in files)}. "
        "Give the path of one of these files."
    )
