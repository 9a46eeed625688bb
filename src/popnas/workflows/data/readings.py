"""Arrays that may be read as more than one task: which are likely, what is asked and what is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas import files
from popnas.datasets import Dataset
from popnas.datasets.npz import names as npz_names
from popnas.errors import DataError

Choose = Callable[[str, Sequence[str]], str]
"""Is told that data may be read as several tasks (a sentence), and which, the likeliest first; answers which
is meant, or raises.
"""
_IMAGES, _SERIES, _MASKS = "image_classification", "time_series_classification", "image_segmentation"
_PLAUSIBLE_SIDE = 8
_PLAUSIBLE_RATIO = 4


def tasks_by_shape(path: Path, tasks: Sequence[str]) -> list[str]:
    """Those of `tasks` that the shapes of `.npz` arrays at `path` allow: of the others a user would only hear
    complaints. All of them where shapes say nothing.
    """
    header = npz_names.first_look(path)
    fitting = set(tasks)
    if header is None:
        return list(tasks)
    by_images = {3: {_IMAGES, _SERIES}, 4: {_IMAGES}, 2: {_SERIES}}
    if len(header.y_shape) > 2:
        fitting = {_MASKS}
    elif len(header.x_shape) in by_images:
        fitting = by_images[len(header.x_shape)]
    return [task for task in tasks if task in fitting] or list(tasks)


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
        words = {task: _shape(read) for task, read in found.items() if not isinstance(read, DataError)}
        if not words:
            raise _refusal(
                data, {task: error for task, error in found.items() if isinstance(error, DataError)}
            )
        series = found.get(_SERIES)
        if isinstance(series, DataError) or series is None or _IMAGES not in found:
            return cls(data, words, is_sure=False)
        x = series.full_train.x
        height, width = x.shape[1:]
        sides = sorted((height, width))
        is_picture = sides[0] >= _PLAUSIBLE_SIDE and sides[1] <= _PLAUSIBLE_RATIO * sides[0]
        if _IMAGES not in words and is_picture and x.min() >= 0 and x.max() <= 1:
            words[_IMAGES] = f"{width}x{height} pixels, once white is 255"
        if _IMAGES not in words or sides[0] == 1:
            return cls(data, {_SERIES: words[_SERIES]}, is_sure=True)
        first = _IMAGES if is_picture else _SERIES
        ordered = {task: words[task] for task in (first, *words)}
        return cls(data, ordered, is_sure=is_picture and _stored_as_bytes(data))

    def choose(self, choose: Choose) -> str:
        """The task that is meant: `choose` is asked where that is not sure."""
        tasks = list(self.words)
        return tasks[0] if self.is_sure or len(tasks) == 1 else choose(self._sentence(), tasks)

    def told(self, task: str) -> tuple[str, ...]:
        """What is told where another than the chosen `task` would do."""
        if len(self.words) == 1:
            return ()
        return (f"{self._sentence()} It is read as {task}; --type chooses.",)

    def _sentence(self) -> str:
        return f"{self.data} may be read as {' or as '.join(f'{t} ({w})' for t, w in self.words.items())}."


def _refusal(data: str, errors: Mapping[str, DataError]) -> DataError:
    """The complaint that all readings have in common, or that of each with the task that it was tried as."""
    first, *_ = errors.values()
    if len(set(map(str, errors.values()))) == 1:
        return first
    lines = [f"As {task}: {error}" for task, error in errors.items()]
    tried = (
        f"{data} was tried as {' and as '.join(errors)}, and is none of them; --type TASK says what it is."
    )
    return DataError("\n  ".join([tried, *lines]))


def _stored_as_bytes(data: str) -> bool:
    path = files.user_path(data)
    header = npz_names.first_look(path)
    return header is not None and header.x_dtype == np.uint8


def _shape(dataset: Dataset) -> str:
    *sides, channels = dataset.input_shape
    extent = f"{sides[1]}x{sides[0]} pixels" if len(sides) == 2 else f"{sides[0]} timesteps"
    return f"{extent}, {channels} channel{'s' * (channels != 1)}"
