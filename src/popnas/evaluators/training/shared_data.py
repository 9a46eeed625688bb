"""The data of a job where all who train on them find them: prepared by the driver, once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from popnas import executors, files, tasks
from popnas.config import RunConfig
from popnas.datasets import Dataset, prepared
from popnas.datasets.ragged import is_in_memory
from popnas.errors import DataError, StorageError
from popnas.events import Listen, Warned
from popnas.printable import quoted
from popnas.runs import told
from popnas.storage import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

_FOLDER = f"{TEMPORARY_PREFIX}data{TEMPORARY_SUFFIX}"


@dataclass(frozen=True)
class SharedData:
    """The data set for the driver itself, and the `place` of what its workers read (`Work.folder`); None:
    they load it."""

    dataset: Dataset
    place: str | None = None


@contextmanager
def shared(config: RunConfig, dataset: Dataset, folder: Path, tell: Listen) -> Iterator[SharedData]:
    """While the block runs, workers of the configuration's executor find `dataset` with `of_worker`.

    In worker processes it is mapped from files in a folder of its own in `folder`, which must be no other
    job's, and so it is in the driver from then on: a machine holds it once. What a killed job left there is
    removed. Workers load the data for themselves where they are too large for memory anyway (`dataset.cache`
    false, images one by one), and, told with a warning, where the disk refuses.
    """
    place = folder / _FOLDER
    shutil.rmtree(place, ignore_errors=True)
    executor = executors.REGISTRY.get(config.others.executor.kind)
    if not can_be_shared(dataset):
        yield SharedData(dataset)
    elif executor.is_in_driver:
        yield SharedData(dataset, prepared.hold(dataset))
    else:
        try:
            laid_down = _laid_down(dataset, place, tell)
            del dataset  # what is mapped takes its place
            yield laid_down
        finally:
            shutil.rmtree(place, ignore_errors=True)


def can_be_shared(dataset: Dataset) -> bool:
    """Whether workers need no copies of these data."""
    pool = dataset.full_train
    return is_in_memory(pool.x) and is_in_memory(pool.y)


def _laid_down(dataset: Dataset, place: Path, tell: Listen) -> SharedData:
    try:
        prepared.write(dataset, place)
        return SharedData(prepared.read(str(place.resolve())), str(place.resolve()))
    except (OSError, StorageError, DataError) as error:
        shutil.rmtree(place, ignore_errors=True)
        why = files.reason(error).removesuffix(".")
        tell(
            Warned(
                f"the data could not be laid down for all workers in {quoted(place.parent)}: {why}. "
                "Each worker loads them for itself, which takes longer and more memory."
            )
        )
        return SharedData(dataset)


def of_worker(config: RunConfig, place: str | None) -> Dataset:
    """The data as the driver shares them at `place`; loaded anew where it does not, or they are gone.

    Raises:
        DataError: data that are missing, broken or unsuited.
    """
    if place is not None:
        try:
            return prepared.read(place)
        except DataError as error:
            told.warning(f"{error} This worker loads the data for itself")
    return tasks.get(config.dataset.type).load(config)
