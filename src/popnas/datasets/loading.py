"""From a configuration's `dataset` section to a `Dataset`: which source has it, and clear words when none
has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from popnas import files
from popnas.datasets.dataset import Dataset
from popnas.datasets.sources import SOURCES, RawData, Request, Source
from popnas.errors import DataError, MissingSplitError, UnknownNameError, UserError, nearest
from popnas.files import is_file, is_folder
from popnas.printable import first_of_all, quoted
from popnas.resources import free_memory

if TYPE_CHECKING:
    from popnas.config import DatasetConfig

_NUM_LISTED = 10
_TABLES = frozenset({".csv", ".tsv", ".xlsx", ".parquet"})

Read = Callable[[Source, Request], RawData]


def load(
    config: DatasetConfig,
    seed: int,
    *,
    task: str | None = None,
    need_test: bool = False,
    read: Read = lambda source, of: source.read(of),
) -> Dataset:
    """The data set that the `dataset` section names, split and ready; the same for the same arguments
    everywhere. `task` is the one that sources must serve, None: that of the section; `read` may give what it
    has read before for an equal request.

    Raises:
        DataError: data that are missing, broken or unsuited to the task.
        MissingSplitError: `need_test`, and the data have no test split.
        UnknownNameError: no source offers `dataset.name`.
        MissingExtraError: the source needs an optional package.
    """
    task = task or config.type
    if not any(task in part.tasks for _, part in SOURCES.items()):
        raise DataError(f"No data source serves the dataset.type '{config.type}'.")
    path = files.user_path(config.path) if config.path is not None else None
    request = Request(task, config.name, path, config.resize, need_test, config.cache)
    if path is None:
        return _loaded(config, request, seed, read)
    check_path(path)
    try:
        return _loaded(config, request, seed, read)
    except OSError as error:  # vanished, or its permissions were taken away, since it was looked at
        raise DataError(f"{quoted(error.filename or path)} cannot be read: {files.reason(error)}.") from error
    except MemoryError as error:
        raise DataError(
            f"The data at {quoted(path)} (dataset.path) do not fit into memory "
            f"({files.size_text(free_memory())} are free). Give fewer or smaller examples."
        ) from error


def check_path(path: Path) -> None:
    """Refuse a path that is neither file nor folder, or cannot be looked at.

    Raises:
        DataError: a named pipe, a device, a link that leads nowhere, nothing at all.
    """
    found = files.trouble(path, may_be_folder=True)
    if found is not None and not files.is_named(path) and not files.exists(path):
        raise DataError(_missing(path, found))
    if found is not None:
        raise DataError(
            f"{quoted(path)} (dataset.path) cannot be read: {found}. Give a file or a folder of data."
        )


def _loaded(config: DatasetConfig, request: Request, seed: int, read: Read) -> Dataset:
    path, need_test = request.path, request.needs_test
    source = (
        _source_of_path(request.task, path, config.type)
        if path is not None
        else _source_of_name(request.task, config.name, config.type)
    )
    dataset = read(source, request).assemble(config, seed)
    if need_test and dataset.test is None:
        raise MissingSplitError(
            f"{dataset.place} has no test split, which is needed here. Add one beside the training split, "
            "named 'test'."
        )
    return dataset


def names(task: str) -> list[str]:
    """The data sets that can be had by name for a task, sorted."""
    return sorted({name for _, part in SOURCES.items() if task in part.tasks for name in part().data_sets()})


def check_name(name: str, task: str, given: str | None = None) -> str | None:
    """What is wrong with `dataset.name` for a task, or None; nothing is read. `task` is the one that sources
    must serve, `given` the one of the configuration, None: the same.
    """
    try:
        _source_of_name(task, name, given or task)
    except UserError as mistake:
        return str(mistake)
    return None


def _source_of_name(task: str, name: str | None, given: str) -> Source:
    """The source that offers the name; messages tell of the task that was `given`."""
    if name is None:
        raise DataError(
            "dataset.name and dataset.path are both missing: give one of them, such as name 'digits'."
        )
    sources = [part() for _, part in SOURCES.items()]
    # Exact names first: a source that would try any name (downloads) must not shadow them.
    offering = [s for s in sources if name in s.data_sets()] or [s for s in sources if s.offers(name)]
    for source in offering:
        if task in source.tasks:
            return source
    if offering:
        raise DataError(
            f"The data set '{name}' (dataset.name) is for {' or '.join(sorted(offering[0].tasks))}, but "
            f"dataset.type is '{given}'{_of_data(task, given)}. Change one of the two."
        )
    known = names(task)
    listed = f"Known by name: {', '.join(known)}." if known else "None is known by name."
    raise UnknownNameError(
        f"unknown data set '{name}' (dataset.name) for {given}{_of_data(task, given)}.{nearest(name, known)} "
        f"{listed} Give dataset.path for data of your own."
    )


def _of_data(task: str, given: str) -> str:
    """Whose data a task has, if others than its own."""
    return "" if task == given else f", whose data are those of {task}"


def _source_of_path(task: str, path: Path, given: str) -> Source:
    sources = [part() for _, part in SOURCES.items()]
    fitting = [source for source in sources if task in source.tasks and source.recognizes(path)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        layouts = "; or ".join(source.layout for source in fitting)
        raise DataError(
            f"{quoted(path)} (dataset.path) holds data in several layouts, and only one can be meant: "
            f"{layouts}. Put what is not meant into another folder, or give the path of the file that is."
        )
    known = [source for source in sources if task in source.tasks]
    if (near := nearly(path, known)) is not None:
        raise DataError(f"{quoted(path)} (dataset.path) holds no data for {given} as it is: {near}.")
    raise DataError(
        f"{quoted(path)} (dataset.path) holds no data for {given}: {found_instead(path, known)}"
        f"{_other_task(task, path)}"
    )


def nearly(path: Path, sources: Iterable[Source]) -> str | None:
    """What a path that no source recognizes looks like to one of them, and what helps; None if to none."""
    return next((near for source in sources if (near := source.nearly(path)) is not None), None)


def found_instead(path: Path, sources: Iterable[Source]) -> str:
    """What is at a path that none of the sources recognizes, and what they looked for: the rest of an error,
    with what helps where it is a table of text."""
    layouts = dict.fromkeys(source.layout for source in sources if source.layout)
    # One that another repeats and goes on with is told by that.
    told = [one for one in layouts if not any(one != other and other.startswith(one) for other in layouts)]
    return f"{_content(path)}. Looked for: {'; '.join(told)}.{_of_tables(path)}"


def _of_tables(path: Path) -> str:
    """How a table of text becomes data; "" where there is none."""
    candidates = [path] if is_file(path) else _children(path)
    table = next((child for child in candidates if child.suffix.lower() in _TABLES), None)
    if table is None:
        return ""
    return (
        f" Tables such as {quoted(table.name)} are not read, because they do not say which columns are "
        "values and which the label: write them as arrays with numpy.savez('train.npz', x=VALUES, y=LABELS), "
        "where VALUES have the shape (examples, timesteps, channels), one channel too, and LABELS the shape "
        "(examples,)."
    )


def _other_task(task: str, path: Path) -> str:
    others = {t for _, part in SOURCES.items() if part().recognizes(path) for t in part.tasks} - {task}
    return f" It looks like data for {' or '.join(sorted(others))}: is dataset.type right?" if others else ""


def _missing(path: Path, trouble: str) -> str:
    """Words for a path that does not exist: how far it exists, and what is there instead."""
    existing = path.absolute().parent
    while not files.exists(existing):
        existing = existing.parent
    names = [child.name for child in _children(existing)]
    shown = f" It holds: {first_of_all(names, _NUM_LISTED)}." if names else ""
    what = trouble.removeprefix("it ") if trouble.startswith("it does") else f"cannot be read: {trouble}"
    complaint = files.not_here(str(path))
    if complaint is not None:
        return f"{quoted(path)} (dataset.path) {complaint}."
    return (
        f"{quoted(path)} (dataset.path) {what}; it exists up to {quoted(existing)}.{shown}"
        f"{files.near_hint(path)} Correct the path, or leave it out and give dataset.name for a known "
        "data set."
    )


def _children(folder: Path) -> list[Path]:
    """What a folder holds, sorted; nothing if that cannot be seen."""
    try:
        return sorted(folder.iterdir(), key=lambda child: child.name)
    except OSError:
        return []


def _content(path: Path) -> str:
    if is_file(path):
        return f"it is a file of the kind '{path.suffix or path.name}'"
    names = [child.name + ("/" if is_folder(child) else "") for child in _children(path)]
    return f"the folder holds {first_of_all(names, _NUM_LISTED)}" if names else "the folder is empty"
