"""Data looked at before there is a configuration: which task and source read them, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from popnas import datasets, files, tasks
from popnas.config import DatasetConfig, RunConfig
from popnas.config.sections import ResizeConfig
from popnas.datasets import SOURCES, Dataset
from popnas.errors import DataError, MissingSplitError, nearest
from popnas.seeds import derive_seed
from popnas.tasks import Task

UNLABELLED = 255
"""What masks usually hold where nothing is labelled."""
_SHOWN_AT = ResizeConfig(width=64, height=64)


@dataclass(frozen=True)
class Look:
    """What was seen: the `dataset` section that reads the data, the data, and (sentences) what would stop a
    search of them as they are, or its evaluation.
    """

    section: dict[str, Any]
    dataset: Dataset
    problems: tuple[str, ...] = ()

    @property
    def task(self) -> Task:
        """The task of the section."""
        return tasks.get(self.section["type"])

    @property
    def num_training(self) -> int:
        """Examples to train on."""
        return len(self.dataset.train)

    @property
    def is_images(self) -> bool:
        """Whether examples are images, not series."""
        return len(self.dataset.input_shape) == 3

    @property
    def spatial_size(self) -> tuple[int, ...]:
        """The input's shape without channels."""
        return self.dataset.input_shape[:-1]


def look_at(data: str, *, has_all: bool = False) -> Look:
    """Load the data at a path or of a known name as the first task that can read them does.

    With `has_all` the test split too, and what would stop a search is noted in place of raised, where the
    data can be looked at all the same.

    Raises:
        DataError: no task can read them.
    """
    complaints = []
    for section in _candidates(data):
        try:
            return _load(section, has_all)
        except DataError as error:
            complaints.append(str(error))
    raise DataError("\n".join(dict.fromkeys(complaints)))


def look_with(config: RunConfig) -> Look:
    """All data of a configuration, as `look_at` with `has_all`."""
    section = config.to_json()["dataset"]
    return _all_of(section, config.dataset, derive_seed(config.others.seed, "data"))


def _candidates(data: str) -> Iterator[dict[str, Any]]:
    """`dataset` sections that might read the data, likely ones first."""
    sources = [source() for _, source in SOURCES.items()]
    path = files.user_path(data)
    trouble = files.trouble(path, may_be_folder=True)
    if trouble is None or files.is_named(path):
        datasets.check_path(path)
        found = sorted({task for source in sources if source.recognizes(path) for task in source.tasks})
        if not found:
            layouts = dict.fromkeys(source.layout for source in sources if source.layout)
            raise DataError(f"{data} holds no data that popnas can read. Looked for: {'; '.join(layouts)}.")
        yield from ({"type": task, "path": data} for task in found)
        return
    found = sorted({task for source in sources if data in source.data_sets() for task in source.tasks})
    if not found:
        names = sorted({name for source in sources for name in source.data_sets()})
        reason = "" if trouble.startswith("it does not exist") else f" ({trouble})"
        raise DataError(
            f"{data} is neither a file or folder nor a known data set{reason}.{nearest(data, names)} "
            f"Known are: {', '.join(names)}."
        )
    yield from ({"type": task, "name": data} for task in found)


def _load(section: dict[str, Any], has_all: bool) -> Look:
    """Load with a validation split of its own if there is one, else with a share of the training data."""
    if "path" in section:
        with suppress(DataError):
            return _loaded({**section, "validation_size": None}, has_all)
    return _loaded({**section, "validation_size": 0.2}, has_all)


def _loaded(section: dict[str, Any], has_all: bool) -> Look:
    config = DatasetConfig(**section)
    look = _all_of(section, config, 0) if has_all else Look(section, datasets.load(config, seed=0))
    may_be_unlabelled = str(UNLABELLED) in look.dataset.class_names
    if look.task.is_per_pixel and may_be_unlabelled and "ignore_class" not in section:
        with suppress(DataError):  # a class after all, if fewer than two others are left
            return _loaded({**section, "ignore_class": UNLABELLED}, has_all)
    return look


def _all_of(section: dict[str, Any], config: DatasetConfig, seed: int) -> Look:
    """Load what can be loaded, with the test split if there is one; what failed on the way is a problem."""
    problems: dict[str, None] = {}  # an ordered set
    for attempt in _attempts(config):
        for need_test in (True, False):
            try:
                dataset = datasets.load(attempt, seed, need_test=need_test)
            except MissingSplitError:
                continue
            except DataError as error:
                problems[str(error)] = None
                continue
            # The section itself works without test data: a search would run, and fail to be evaluated.
            what = "Evaluation on test data" if attempt is config else "A search of these data as they are"
            return Look(section, dataset, tuple(f"{what} would stop: {problem}" for problem in problems))
    raise DataError(next(iter(problems)))


def _attempts(config: DatasetConfig) -> Iterator[DatasetConfig]:
    """The section, and if it does not work another that shows the data all the same: without a crop that
    images have no room for; at one size where they differ.
    """
    yield config
    if config.type == "image_segmentation" and config.resize is not None:
        yield config.model_copy(update={"resize": None})
    if config.type == "image_classification" and config.resize is None:
        yield config.model_copy(update={"resize": _SHOWN_AT})
