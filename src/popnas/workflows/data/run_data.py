"""The data of a run at the place where they are now: a run remembers where it found them, and they may have
been moved since."""

from __future__ import annotations

from collections.abc import Sequence

from popnas import evaluators
from popnas.config import RunConfig, changed
from popnas.datasets import Dataset
from popnas.errors import DataError
from popnas.evaluators.training import training_data
from popnas.runs import RunFolder
from popnas.runs.folder import absolute
from popnas.workflows.settings import load_run_config

FIELD = "dataset.path"
_NOT_OF_THE_DRAW = {
    "path",
    "batch_size",
    "val_test_batch_size",
    "inference_batch_size",
    "cache",
    "folds",
    "balance_class_losses",
    "data_augmentation",
}
"""Fields of `dataset` that neither choose nor change the examples that are remembered."""


def new_place(sets: Sequence[str]) -> str | None:
    """Where `--set dataset.path=PLACE` says that the data are now, as an absolute path; None without it."""
    places = [text.partition("=")[2].strip() for text in sets if text.partition("=")[0].strip() == FIELD]
    return absolute(places[-1].strip('"')) if places else None


def check_same(folder: RunFolder, place: str) -> None:
    """Raises DataError unless the data at `place` are those that a run was started with."""
    known = folder.state().data
    if known is None:
        return  # nothing was trained on them yet
    moved = changed(load_run_config(folder), {FIELD: place})
    evaluator = evaluators.create(moved, folder.path)
    if (difference := evaluator.compare(known)) is not None:
        raise DataError(
            f"`sets` {FIELD}={place}: {difference} Give the place of the data that this run was started with."
        )


def told_of_changes(folder: RunFolder, config: RunConfig, dataset: Dataset) -> list[str]:
    """A warning if the data of a stage after the search are not those of the search; a stage that divides or
    resizes them otherwise cannot be compared.

    Raises:
        DataError: their shape, classes or sizes differ.
    """
    known = folder.state().data
    before, now = (
        each.dataset.model_dump(exclude=_NOT_OF_THE_DRAW) for each in (load_run_config(folder), config)
    )
    if known is None or before != now:
        return []
    difference = training_data.compare(known, training_data.DataFacts.of(dataset), dataset.place)
    return [] if difference is None else [difference]
