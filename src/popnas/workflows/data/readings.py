"""Arrays that may be read as more than one task: which are likely, what is asked and what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas import files, tasks
from popnas.datasets import Dataset
from popnas.datasets.npz import names as npz_names
from popnas.errors import DataError
from popnas.printable import counted, quoted

Choose = Callable[[str, Sequence[str]], str]
"""Is told that data may be read as several tasks (a sentence), and which, the likeliest first; answers which
is meant, or raises.
"""
_PLAUSIBLE_SIDE = 8
_PLAUSIBLE_RATIO = 4


def tasks_by_shape(path: Path, names: Sequence[str]) -> list[str]:
    """Those of the tasks `names` that the shapes of `.npz` arrays at `path` allow: of the others a user would
    only hear complaints. All of them where shapes say nothing.
    """
    header = npz_names.first_look(path)
    if header is None:
        return list(names)
    dims = len(header.x_shape), len(header.y_shape)
    return [name for name in names if tasks.get(name).may_read(*dims)] or list(names)


def _of_one_label(found: Iterable[str], num_dims: int) -> str:
    """Of the tasks that of one label per example of so many dimensions; "" for none."""
    facts = {name: tasks.get(name) for name in found}
    fitting = [n for n, task in facts.items() if task.num_dims == num_dims and not task.is_per_pixel]
    return fitting[0] if fitting else ""


@dataclass(frozen=True)
class Readings:
    """The tasks as which data may be read, the likeliest first, with what they would be then; `is_sure` that
    the first is meant, though others would do.
    """

    data: str
    words: Mapping[str, str]
    is_sure: bool

    @classmethod
    def of(cls, data: str, found: Mapping[str, Dataset | DataError]) -> Readings:
        """The readings that worked; images of which only the scale is wrong are one.

        Raises:
            DataError: none worked.
        """
        words = {task: shape_words(read) for task, read in found.items() if not isinstance(read, DataError)}
        if not words:
            raise _refusal(
                data, {task: error for task, error in found.items() if isinstance(error, DataError)}
            )
        images, as_series = _of_one_label(found, 2), _of_one_label(found, 1)
        series = found.get(as_series)
        if isinstance(series, DataError) or series is None or images not in found:
            return cls(data, words, is_sure=False)
        x = series.full_train.x
        height, width = x.shape[1:]
        sides = sorted((height, width))
        is_picture = sides[0] >= _PLAUSIBLE_SIDE and sides[1] <= _PLAUSIBLE_RATIO * sides[0]
        if images not in words and is_picture and x.min() >= 0 and x.max() <= 1:
            words[images] = f"{width}x{height} pixels, once white is 255"
        if images not in words or sides[0] == 1:
            return cls(data, {as_series: words[as_series]}, is_sure=True)
        first = images if is_picture else as_series
        ordered = {task: words[task] for task in (first, *words)}
        return cls(data, ordered, is_sure=is_picture and _stored_as_bytes(data))

    def choose(self, choose: Choose) -> str:
        """The task that is meant: `choose` is asked where that is not sure."""
        names = list(self.words)
        return names[0] if self.is_sure or len(names) == 1 else choose(self._sentence(), names)

    def told(self, task: str) -> tuple[str, ...]:
        """What is told where another than the chosen `task` would do."""
        if len(self.words) == 1:
            return ()
        return (f"{self._sentence()} It is read as {task}; `task` chooses.",)

    def _sentence(self) -> str:
        return f"{self.data} may be read as {' or as '.join(f'{t} ({w})' for t, w in self.words.items())}."


def _refusal(data: str, errors: Mapping[str, DataError]) -> DataError:
    """The complaint that all readings have in common, or that of each with the task that it was tried as."""
    first, *_ = errors.values()
    if len(set(map(str, errors.values()))) == 1:
        return first
    lines = [f"As {task}: {error}" for task, error in errors.items()]
    tried = (
        f"{quoted(data)} was tried as {' and as '.join(errors)}, and is none of them; `task` says what it is."
    )
    return DataError("\n  ".join([tried, *lines]))


def _stored_as_bytes(data: str) -> bool:
    path = files.user_path(data)
    header = npz_names.first_look(path)
    return header is not None and header.x_dtype == np.uint8


def shape_words(dataset: Dataset) -> str:
    """The shape of an example: "42x51 pixels, 3 channels" (width x height), "60 timesteps, 1 channel"."""
    *sides, channels = dataset.input_shape
    extent = f"{sides[1]}x{sides[0]} pixels" if len(sides) == 2 else counted(sides[0], "timestep")
    return f"{extent}, {channels} channel{'s' * (channels != 1)}"
