"""The problems of an archive, and the configuration that suits each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from popnas import files, tasks
from popnas.config import RunConfig, changed
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.tasks.time_series_classification import TimeSeriesClassification
from popnas.workflows.data import sizing

TASK = TimeSeriesClassification.name
_EXPECTED = (
    "An archive is a folder with a folder for each problem, which holds train.npz and test.npz, or "
    "NAME_TRAIN.ts and NAME_TEST.ts, as the UCR and UEA archives have them."
)


@dataclass(frozen=True)
class ArchiveProblem:
    """`name`: of its folder, which is `path`."""

    name: str
    path: Path


def find(folder: Path) -> list[ArchiveProblem]:
    """The problems in an archive, by name: its folders that have a training split, as train.npz or as
    *_TRAIN.ts.

    Raises:
        UserError: the folder is not there, or holds no problem.
    """
    place = files.user_path(folder)
    if not place.is_dir():
        raise UserError(f"the archive {quoted(place)} {files.missing(place)} {_EXPECTED}")
    found = [
        ArchiveProblem(path.name, path.resolve()) for path in sorted(place.iterdir()) if _is_problem(path)
    ]
    if not found:
        raise UserError(f"{quoted(place)} holds no problem. {_EXPECTED}")
    return found


def _is_problem(path: Path) -> bool:
    return path.is_dir() and ((path / "train.npz").is_file() or any(path.glob("*_TRAIN.ts")))


def num_validation(num_examples: int, num_classes: int) -> int:
    """How many training examples go to validation: a tenth, but at least 60 where that leaves two thirds of
    them, and never fewer than there are classes.

    What is compared is to be like what is delivered, which learns from all: of half as many series a network
    makes far less than random kernels do (`docs/log.md`, 2026-11-28). Folds make up for few.
    """
    wanted = max(sizing.ENOUGH_VALIDATION, num_examples // 10)
    return max(min(wanted, num_examples // 3), num_classes)


def suited(base: RunConfig, problem: ArchiveProblem, hours: float | None, is_alone: bool) -> RunConfig:
    """The configuration of a problem's job; `is_alone`: it may have all cores.

    Raises:
        DataError: data that cannot be read, have no test split, or fewer than two series per class.
    """
    data = {"dataset.type": TASK, "dataset.name": None, "dataset.path": str(problem.path)}
    config = changed(base, {**data, "dataset.validation_size": 0.5})
    found = tasks.get(TASK).load(config, need_test=True)
    number, classes = len(found.full_train), found.num_classes
    validation = num_validation(number, classes)
    workers = config.others.executor.workers if is_alone else 1
    return changed(
        config,
        {
            "dataset.validation_size": validation / number,
            "dataset.folds": max(config.dataset.folds, sizing.folds(validation)),
            "dataset.batch_size": sizing.series_batch(number - validation),
            "others.max_hours": config.others.max_hours if hours is None else hours,
            "others.executor.workers": workers,
        },
    )
