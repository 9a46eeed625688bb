"""Real samples for `popnas latency`, in the form that a file takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.npyio import NpzFile

from popnas import datasets, tasks
from popnas.config import DatasetConfig
from popnas.datasets import Split
from popnas.datasets.ragged import sizes_of
from popnas.errors import DataError, UserError

if TYPE_CHECKING:
    from popnas.export.latency import Input

MAX_SAMPLES = 1024
_MAX_VALUES = 2**26
"""Large images are so many that fewer samples do."""


def read_samples(data: str, inputs: list[Input]) -> dict[str, np.ndarray]:
    """Up to `MAX_SAMPLES` samples per input of the file, by name: (n, ...), channels first; of images that
    differ in size those of the most frequent size.

    `data`: a `.npz` (its `x`) or `.npy` file, a data set's folder, or a data set's name.

    Raises:
        DataError, UnknownNameError: the data cannot be read, or are not of the file's kind.
        UserError: the file takes neither images nor series.
    """
    main = inputs[0]
    fitting = [name for name, part in tasks.REGISTRY.items() if part.num_dims == len(main.axes) - 2]
    if not fitting:
        raise UserError(
            f"-d is for files that take images (4 axes) or series (3 axes), this one takes {main}. "
            "Give the shape of its samples with -i."
        )
    path = Path(data).expanduser()
    if path.suffix in (".npy", ".npz"):
        return {main.name: _channels_first(_read_array(path), main)}
    split = _of_one_size(_load(data, fitting))
    samples = {main.name: _channels_first(np.asarray(split.x), main)}
    if split.lengths is not None:
        samples["lengths"] = split.lengths
    return samples


def _read_array(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded[:MAX_SAMPLES]
        with loaded:
            if "x" in loaded.files:
                return loaded["x"][:MAX_SAMPLES]
            return _of_numbers(path, loaded)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _of_numbers(path: Path, loaded: NpzFile) -> np.ndarray:
    """The most frequent shape of x_0, x_1, ..."""
    names = [name for name in loaded.files if re.fullmatch(r"x_\d+", name)][:MAX_SAMPLES]
    if not names:
        raise DataError(f"{path} has no array 'x'; it has: {', '.join(loaded.files) or 'none'}.")
    arrays = [loaded[name] for name in names]
    shape = _most_frequent([array.shape for array in arrays])
    return np.stack([array for array in arrays if array.shape == shape])


def _load(data: str, fitting: Sequence[str]) -> Split:
    """Training and validation data, as the first of the tasks `fitting` that can read them does."""
    is_path = Path(data).expanduser().exists() or "/" in data
    complaints = []
    for task in fitting:
        config = DatasetConfig(
            type=task,
            name=None if is_path else data,
            path=data if is_path else None,
            validation_size=0.5,  # both parts are used: the share that any data can spare
        )
        try:
            return datasets.load(config, 0).full_train
        except DataError as error:
            complaints.append(str(error))
    raise DataError("\n".join(dict.fromkeys(complaints)))


def _of_one_size(split: Split) -> Split:
    """Samples of the most frequent size, no more than are needed."""
    if split.x.ndim != 4:
        return split.take(slice(0, MAX_SAMPLES))
    sizes = sizes_of(split.x)
    size = _most_frequent([tuple(row) for row in sizes.tolist()])
    count = min(MAX_SAMPLES, max(1, _MAX_VALUES // (3 * size[0] * size[1])))
    return split.take(np.flatnonzero((sizes == size).all(axis=1))[:count])


def _most_frequent(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return Counter(shapes).most_common(1)[0][0]


def _channels_first(x: np.ndarray, taken: Input) -> np.ndarray:
    """The samples as the file takes them: as they are if they fit, else with the last axis first."""
    if x.ndim == len(taken.axes) - 1 and x.ndim == 3:
        x = x[..., None]  # grey images without a channel axis
    if x.ndim != len(taken.axes):
        return x  # the message about the shape comes from where samples are compared with the file
    is_fitting = all(own in (None, n) for own, n in zip(taken.axes[1:], x.shape[1:], strict=True))
    return x if is_fitting and taken.axes[1] is not None else np.moveaxis(x, -1, 1)
