"""The problems of an archive, and the configuration that suits each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from popnas import files, tasks
from popnas.config import RunConfig, changed
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.tasks.time_series_classification import TimeSeriesClassification
from popnas.workflows.data import sizing

TASK = TimeSeriesClassification.name
_OWN = ("dataset.type", "dataset.name", "dataset.path")
_SHARE = "dataset.validation_size"
_SUITED = (_SHARE, "dataset.folds", "dataset.batch_size", "others.executor.workers")
"""Fields that are suited to each problem, unless somebody states them."""
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


def stated(sets: Sequence[str]) -> list[str]:
    """Of the fields that are suited to each problem those that these changes ("section.key=value") state,
    which therefore stay as they are.

    Raises:
        UserError: a change of what is each problem's own.
    """
    places = [change.partition("=")[0].strip() for change in sets]
    for own in _OWN:
        if _is_among(own, places):
            raise UserError(
                f"`sets` {own}: each problem of an archive of time series has its own. Leave it out, or make "
                "a single job of a single problem."
            )
    return [place for place in _SUITED if _is_among(place, places)]


def _is_among(place: str, places: Sequence[str]) -> bool:
    """Whether a field, or a section that it is in, is among these."""
    return any(place == each or place.startswith(f"{each}.") for each in places)


def suited(
    base: RunConfig,
    problem: ArchiveProblem,
    hours: float | None,
    is_alone: bool,
    kept: Collection[str] = (),
) -> RunConfig:
    """The configuration of a problem's job; `is_alone`: it may have all cores; `kept`: which of `_SUITED`
    stay as `base` has them. So does a share of null: the problems have validation splits.

    Raises:
        DataError: data that cannot be read or divided, have no test split, or fewer than two series per
            class.
    """
    config = changed(base, dict(zip(_OWN, (TASK, None, str(problem.path)), strict=True)))
    is_share_kept = _SHARE in kept or base.dataset.validation_size is None
    if not is_share_kept:
        config = changed(config, {_SHARE: 0.5})
    found = tasks.get(TASK).load(config, need_test=True)
    number = len(found.full_train)
    validation = len(found.validation) if is_share_kept else num_validation(number, found.num_classes)
    has_own = config.dataset.validation_size is None  # of which there is one draw
    values = (
        None if has_own else validation / number,
        config.dataset.folds if has_own else max(config.dataset.folds, sizing.folds(validation)),
        sizing.series_batch(number - validation),
        config.others.executor.workers if is_alone else 1,
    )
    changes = {place: value for place, value in zip(_SUITED, values, strict=True) if place not in kept}
    return changed(
        config, {**changes, "others.max_hours": config.others.max_hours if hours is None else hours}
    )
