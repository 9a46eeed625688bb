"""Data looked at before there is a configuration: which task and source read them, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from popnas import datasets, files, tasks
from popnas.config import DatasetConfig, RunConfig
from popnas.config.sections import ResizeConfig
from popnas.datasets import SOURCES, Dataset, loading
from popnas.datasets.findings import in_line
from popnas.datasets.sources import RawData, Request, Source
from popnas.errors import (
    DataError,
    MissingSplitError,
    MissingValidationError,
    SizesDifferError,
    TooFewError,
    nearest,
)
from popnas.printable import quoted
from popnas.records import Json, part
from popnas.seeds import derive_seed
from popnas.tasks import Task
from popnas.workflows.data.readings import Choose, Readings, shape_words, tasks_by_shape

UNLABELLED = 255
"""What masks usually hold where nothing is labelled."""
_SIZE = (64, 64)
"""Height and width for images of which no more is known."""
_SHARE = 0.2


@dataclass(frozen=True)
class Look:
    """What was seen: the `dataset` section that reads the data, the data, and (sentences) what would stop a
    search of them as they are, or its evaluation, and what was taken for granted to read them.

    `needs_resize`: images differ in size, and `dataset` has them at one. `lacks_test`: there is a test split
    that cannot be used, so that `dataset` is without it; `standing` says why where one size does not mend it.
    """

    section: Json
    dataset: Dataset
    problems: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    needs_resize: bool = False
    lacks_test: bool = False
    standing: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """All that is to be told of how the data were read, the worst first."""
        return list(dict.fromkeys([*self.problems, *self.guesses, *self.dataset.told]))

    @property
    def kind(self) -> str:
        """The name of the section's task."""
        return _kind(self.section)

    @property
    def task(self) -> Task:
        """The task of the section."""
        return tasks.get(self.kind)

    @property
    def num_training(self) -> int:
        """Examples to train on."""
        return len(self.dataset.train)

    @property
    def shape(self) -> str:
        """What networks see of an example, in words."""
        return shape_words(self.dataset)

    @property
    def is_images(self) -> bool:
        """Whether examples are images, not series."""
        return len(self.dataset.input_shape) == 3

    @property
    def spatial_size(self) -> tuple[int, ...]:
        """The input's shape without channels."""
        return self.dataset.input_shape[:-1]


def _kind(section: Json) -> str:
    return str(section["type"])


def look_at(data: str, choose: Choose, *, task: str | None = None) -> Look:
    """Load the data at a path or of a known name, with the test split if there is one, as the task that can
    read them; what would stop a search is noted where the data can be looked at all the same.

    Where several tasks may be meant `choose` is asked, unless `task` says which.

    Raises:
        DataError: no task can read them.
    """
    sections = list(_candidates(data, task))
    looks: dict[str, Look | DataError] = {}
    for section in sections:
        try:
            looks[_kind(section)] = _load(section)
        except DataError as error:
            looks[_kind(section)] = error
    readings = Readings.of(
        data, {name: look if isinstance(look, DataError) else look.dataset for name, look in looks.items()}
    )
    meant = readings.choose(choose)
    chosen = looks[meant]
    if isinstance(chosen, DataError):
        raise chosen
    return replace(chosen, guesses=(*readings.told(meant), *chosen.guesses))


def look_with(config: RunConfig) -> Look:
    """All data of a configuration, as `look_at`."""
    section = part(config.to_json(), "dataset")
    return _all_of(section, config.dataset, derive_seed(config.others.seed, "data"), _ReadOnce())


def _candidates(data: str, task: str | None) -> Iterator[Json]:
    """`dataset` sections that might read the data."""
    sources = [source() for _, source in SOURCES.items()]
    path = files.user_path(data)
    trouble = files.trouble(path, may_be_folder=True)
    if trouble is None or files.is_named(path):
        datasets.check_path(path)
        found = sorted({task for source in sources if source.recognizes(path) for task in source.tasks})
        if not found and (near := loading.nearly(path, sources)) is not None:
            raise DataError(f"{quoted(data)} holds no data that popnas can read as it is: {near}.")
        if not found:
            raise DataError(
                f"{quoted(data)} holds no data that popnas can read: {loading.found_instead(path, sources)}"
            )
        if task is not None and tasks.get(task).data not in found:
            raise DataError(
                f"{quoted(data)} holds no data for {task}; it looks like data for {' or '.join(found)}."
            )
        fitting = [task] if task is not None else tasks_by_shape(path, found)
        yield from ({"type": name, "path": data} for name in fitting)
        return
    found = sorted({task for source in sources if data in source.data_sets() for task in source.tasks})
    if not found:
        raise DataError(
            _unknown(data, trouble, sorted({n for source in sources for n in source.data_sets()}))
        )
    if task is not None and tasks.get(task).data not in found:
        raise DataError(f"The data set '{data}' is for {' or '.join(found)}, not for {task}.")
    yield from ({"type": name, "name": data} for name in ([task] if task is not None else found))


def _unknown(data: str, trouble: str, names: list[str]) -> str:
    complaint = files.not_here(data)
    if complaint is not None:
        return f"{quoted(data)} {complaint}."
    reason = "" if trouble.startswith("it does not exist") else f" ({trouble})"
    hint = nearest(data, names) or files.near_hint(files.user_path(data))
    return (
        f"{quoted(data)} is neither a file or folder nor a known data set{reason}.{hint} Known are: "
        f"{', '.join(names)}."
    )


class _ReadOnce:
    """Keeps what was read last, for further attempts at the same data: to read them takes longest.

    `has_no_test`: they were found without a test split, so that it does not matter whether one is asked for.
    """

    def __init__(self) -> None:
        self.has_no_test = False
        self._kept: tuple[Request, RawData] | None = None

    def __call__(self, source: Source, request: Request) -> RawData:
        if self.has_no_test:
            request = replace(request, needs_test=True)
        if self._kept is None or self._kept[0] != request:
            self._kept = None  # freed before the next are read
            self._kept = (request, source.read(request))
        return self._kept[1]


def _load(section: Json) -> Look:
    """Load with a validation split of its own if there is one, else with a share of the training data."""
    guesses: list[str] = []
    read = _ReadOnce()
    try:
        return _loaded({**section, "validation_size": None}, read)
    except MissingValidationError:
        pass
    except DataError as error:
        if error.unreadable:
            raise  # the files are read with a share of the training data, too
        why = in_line(str(error))
        guesses.append(f"The validation split of the data is not used, because it cannot be: {why}")
    try:
        look = _loaded({**section, "validation_size": _SHARE}, read)
    except TooFewError as error:
        if error.smallest is None:
            raise
        look = _loaded({**section, "validation_size": error.smallest}, read)
        guesses.append(
            f"{error.smallest:.1%} of the training examples are taken for validation, because of fewer not "
            "every class would have one."
        )
    return replace(look, guesses=(*look.guesses, *guesses))


def _loaded(section: Json, read: _ReadOnce) -> Look:
    look = _all_of(section, DatasetConfig.model_validate(section), 0, read)
    may_be_unlabelled = str(UNLABELLED) in look.dataset.class_names
    if not look.task.is_per_pixel or not may_be_unlabelled or "ignore_class" in section:
        return look
    try:
        look = _loaded({**section, "ignore_class": UNLABELLED}, read)
        guess = "taken for unlabelled (dataset.ignore_class); if it is a class like the others, set null."
    except DataError:
        guess = "taken for a class, because without it fewer than two would be left."
    return replace(look, guesses=(*look.guesses, f"The mask value {UNLABELLED} is {guess}"))


def _all_of(section: Json, config: DatasetConfig, seed: int, read: _ReadOnce) -> Look:
    """Load what can be loaded, with the test split if there is one; what failed on the way is a problem."""
    problems: dict[str, None] = {}  # an ordered set
    stopping: list[DataError] = []  # also without the test split
    attempts = [config]
    for attempt in attempts:
        failed: list[DataError] = []
        for need_test in (True, False):
            try:
                dataset = datasets.load(
                    attempt, seed, task=tasks.get(config.type).data, need_test=need_test, read=read
                )
            except MissingSplitError:
                read.has_no_test = True
                continue
            except (MissingValidationError, TooFewError):
                raise  # no other attempt would help
            except DataError as error:
                if error.unreadable - {"test"}:
                    raise
                problems[str(error)] = None
                failed.append(error)
                stopping += [] if need_test else [error]
                if len(attempts) == 1 and not need_test:
                    attempts += _other_attempts(config, failed)
                continue
            # The section itself works without test data: a search would run, and fail to be evaluated.
            what = "Evaluation on test data" if attempt is config else "A search of these data as they are"
            found = tuple(f"{what} would stop: {in_line(problem)}" for problem in problems)
            standing = tuple(f"Evaluation on test data would stop: {in_line(str(error))}" for error in failed)
            return Look(
                section,
                dataset,
                found,
                standing=standing,
                needs_resize=_is_resized(attempt, config),
                lacks_test=not need_test and not read.has_no_test,
            )
    raise stopping[0]


def _is_resized(attempt: DatasetConfig, config: DatasetConfig) -> bool:
    return config.resize is None and attempt.resize is not None


def _other_attempts(config: DatasetConfig, failed: Sequence[DataError]) -> Iterator[DatasetConfig]:
    """Sections that show the data all the same where theirs does not work: without a crop that images have
    no room for; at one size, that of most of them, where they differ.
    """
    task = tasks.get(config.type)
    if task.is_per_pixel and config.resize is not None:
        yield config.model_copy(update={"resize": None})
    if task.num_dims == 2 and not task.is_per_pixel and config.resize is None:
        suggested = (error.suggested for error in failed if isinstance(error, SizesDifferError))
        height, width = next(suggested, _SIZE)
        yield config.model_copy(update={"resize": ResizeConfig(width=width, height=height)})
