"""The options of `PopnasClassifier`, read at `fit`: each by itself, then those that contradict one another.

NumPy's scalars, paths and enumerations are taken for the values that they are, as in a configuration. An
option that cannot do what it says is refused; one that gives way to another is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.utils import check_random_state

from popnas import config as configurations
from popnas import tasks
from popnas.api import backends
from popnas.api.arrays import InputError
from popnas.config import Source
from popnas.config.messages import show
from popnas.errors import nearest
from popnas.records import Json, part

STAGES = ("search", "model_selection", "final_training")
NUM_SELECTED = 5
_MOST_SELECTED = 10_000
_MOST_HOURS = 87_600
OF_THE_DATA = ("name", "path", "classes_count", "class_labels_remapping", "resize")
"""Fields of `dataset` that `fit` decides itself, by its arrays."""


@dataclass(frozen=True)
class Options:
    """What `fit` was asked for. `document` is the search's configuration, whole (`is_whole`) or the fields
    that are laid over the defaults."""

    task: str | None
    document: Json
    is_whole: bool
    selection_config: Source | None
    final_config: Source | None
    num_selected: int
    last_stage: str
    max_hours: float | None
    run_folder: Path | None
    n_jobs: int | None
    backend: str
    seed: int | None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Options:
        """The parameters of an estimator, by name.

        Raises:
            InputError: a value that an option cannot have, or options that cannot go together.
            ConfigError: a configuration that cannot be read.
        """
        document, is_whole = _document(given["config"])
        _refuse_masks(configurations.plain(given["task"]), document)
        task = _name("task", given["task"], (None, *_one_label(1), *_one_label(2)))
        return cls(
            task=task,
            document=document,
            is_whole=is_whole,
            selection_config=_partial("selection_config", given["selection_config"]),
            final_config=_partial("final_config", given["final_config"]),
            num_selected=_whole_number("num_selected", given["num_selected"], 1, _MOST_SELECTED),
            last_stage=_name("last_stage", given["last_stage"], STAGES) or "",
            max_hours=_hours(given["max_hours"]),
            run_folder=_folder(given["run_folder"]),
            n_jobs=_num_jobs(given["n_jobs"]),
            backend=backends.check_name(configurations.plain(given["backend"])),
            seed=_seed(given["random_state"], document),
        )

    def task_of(self, num_dims: int) -> str:
        """The task of examples of so many dimensions: the one that was asked for, or the usual one.

        Raises:
            InputError: the configuration is for another task.
        """
        named = part(self.document, "dataset").get("type")
        task = self.task or (named if named in _one_label(num_dims) else tasks.for_arrays()[num_dims])
        if named not in (None, task):
            raise InputError(
                f"config: dataset.type is {named!r}, but what fit was given is for {task!r}. Leave "
                "dataset.type out, or reshape X."
            )
        return task

    def warnings(self) -> Iterator[str]:
        """One sentence for each option that does nothing, or gives way to another."""
        place = STAGES.index(self.last_stage)
        for name, stage in (("selection_config", 1), ("num_selected", 1), ("final_config", 2)):
            is_given = getattr(self, name) not in (None, NUM_SELECTED)
            if is_given and place < stage:
                yield f"{name}: has no effect with last_stage {self.last_stage!r}, which comes before."
        yield from self._over_the_configuration()
        dataset = part(self.document, "dataset")
        for name in OF_THE_DATA:
            is_replaced = self.is_whole and name in ("name", "path")  # a whole configuration has to have one
            if dataset.get(name) is not None and not is_replaced:
                yield f"config: dataset.{name}: has no effect: fit learns from X and y as they are."

    def _over_the_configuration(self) -> Iterator[str]:
        """Options that decide what the configuration decides otherwise."""
        hours = self._others("max_hours")
        if None not in (self.max_hours, hours) and self.max_hours != hours:
            yield f"config: others.max_hours ({hours}): has no effect beside max_hours={self.max_hours}."
        if self.seed is not None and self._others("seed") is not None:
            yield f"config: others.seed ({self._others('seed')}): has no effect beside random_state."
        executor = self._others("executor")
        if self.n_jobs is not None and isinstance(executor, Mapping):
            wanted = executor_of(self.n_jobs, {})
            for name in ("kind", "workers"):
                value = executor.get(name)
                if value is not None and value != wanted[name]:
                    yield (
                        f"config: others.executor.{name} ({show(value)}): has no effect beside "
                        f"n_jobs={self.n_jobs}."
                    )

    def _others(self, name: str) -> Any:
        """A field of `others` as the configuration gives it; None where a whole one has the default."""
        value = part(self.document, "others").get(name)
        if not self.is_whole:
            return value
        default = configurations.OthersConfig().model_dump(mode="json")[name]
        return None if value == default else value


def _one_label(num_dims: int) -> list[str]:
    """The tasks of one label per example of so many dimensions."""
    found = ((name, tasks.get(name)) for name in tasks.REGISTRY.names())
    return [name for name, task in found if task.num_dims == num_dims and not task.is_per_pixel]


def executor_of(n_jobs: int, executor: Json) -> Json:
    """The executor for so many networks at the same time; what else `executor` says stays."""
    kind, workers = ("inline", None) if n_jobs == 1 else ("processes", None if n_jobs < 0 else n_jobs)
    return {**executor, "kind": kind, "workers": workers}


def _document(source: Source | None) -> tuple[Json, bool]:
    if source is None:
        return {}, False
    if isinstance(source, Mapping):
        return configurations.plain(source), False
    if isinstance(source, configurations.RunConfig):
        return source.to_json(), True
    return configurations.load(_checked_source("config", source)).to_json(), True


def _partial(name: str, source: Source | None) -> Source | None:
    return None if source is None else _checked_source(name, source)


def _checked_source(name: str, source: Any) -> Source:
    if isinstance(source, Mapping):
        return configurations.plain(source)
    if isinstance(source, PathLike):
        return Path(source)
    value = configurations.plain(source)
    if isinstance(value, str):
        return value
    raise InputError(f"{name} must be a mapping, a file's path, a preset's name or None, got {show(value)}.")


def _name(option: str, given: Any, choices: tuple[str | None, ...]) -> str | None:
    value = configurations.plain(given)
    if isinstance(value, str | None) and value in choices:
        return value
    known = [choice for choice in choices if choice is not None]
    near = nearest(value, known) if isinstance(value, str) else ""
    raise InputError(f"{option} must be one of {', '.join(map(repr, choices))}, got {_shown(value)}.{near}")


def _whole_number(option: str, given: Any, least: int, most: int) -> int:
    value = configurations.plain(given)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(
            f"{option} must be a whole number, at least {least} and at most {most:,}, got {_shown(value)}."
        )
    return value


def _hours(given: Any) -> float | None:
    value = configurations.plain(given)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST_HOURS:
        raise InputError(
            f"max_hours must be a number above 0 and at most {_MOST_HOURS:,}, or None for no limit, got "
            f"{_shown(value)}."
        )
    return float(value)


def _num_jobs(given: Any) -> int | None:
    value = configurations.plain(given)
    if value is None or value == -1:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1024:
        raise InputError(
            f"n_jobs must be a whole number from 1 to 1024, -1 (one per core) or None, got {_shown(value)}."
        )
    return value


def _folder(given: Any) -> Path | None:
    value = configurations.plain(given)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"run_folder must be a path or None, got {_shown(value)}.")
    return Path(value).expanduser().resolve()


def _seed(random_state: Any, document: Json) -> int | None:
    """The seed of this fit; None where the configuration has one and `random_state` is None."""
    if random_state is None and part(document, "others").get("seed") is not None:
        return None
    value = configurations.plain(random_state)
    try:
        generator = check_random_state(random_state if not isinstance(value, int) else value)
    except ValueError:
        raise InputError(
            "random_state must be a whole number from 0 to 2^32 - 1, a numpy.random.RandomState or None, got "
            f"{_shown(value)}."
        ) from None
    return int(generator.randint(2**31 - 1))


def _refuse_masks(task: Any, document: Json) -> None:
    """Refuse a task that answers with masks, asked for by name or in a configuration: an estimator's answers
    are labels."""
    for name in (task, part(document, "dataset").get("type")):
        if isinstance(name, str) and name in tasks.REGISTRY.names() and tasks.get(name).is_per_pixel:
            raise InputError(
                f"PopnasClassifier learns one label per example and cannot be fitted for {name!r}, whose "
                "labels are masks. Write images and masks into .npz files or folders, search with "
                "popnas.search(config), and predict with popnas.load(run_folder)."
            )


def _shown(value: Any) -> str:
    """As Python has it: what was given stands in a program."""
    return repr(value) if value is None or isinstance(value, bool | int | float | str) else show(value)
