"""Real samples for `popnas latency`, in the form that a file takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas import datasets, files, tasks
from popnas.config import DatasetConfig
from popnas.datasets import Split
from popnas.datasets.npz.members import NpzMembers
from popnas.datasets.ragged import sizes_of
from popnas.errors import DataError, UserError
from popnas.printable import quoted

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
            f"`data` is for files that take images (4 axes) or series (3 axes), this one takes {main}. "
            "Give the shape of its samples with `shapes`."
        )
    path = files.user_path(data)
    if path.suffix in (".npy", ".npz"):
        return {main.name: _channels_first(_read_array(path), main)}
    split = _of_one_size(_load(data, fitting))
    samples = {main.name: _channels_first(np.asarray(split.x), main)}
    if split.lengths is not None:
        samples["lengths"] = split.lengths
    return samples


def _read_array(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        try:
            with files.open_binary(path) as stream:
                loaded = np.load(stream, allow_pickle=False)
        except Exception as error:  # numpy raises many kinds for damaged files
            reason = files.reason(error) if isinstance(error, OSError) else "it is no .npy file of numbers"
            raise DataError(
                f"{quoted(path)} cannot be read: {reason}. Save it anew with numpy.save."
            ) from error
        return _numbers(np.asarray(loaded), path)[:MAX_SAMPLES]
    members = NpzMembers(path, "Save plain numbers.")
    if "x" in members.names:
        return _numbers(members.read("x"), path)[:MAX_SAMPLES]
    names = [name for name in members.names if re.fullmatch(r"x_[0-9]+", name)][:MAX_SAMPLES]
    if not names:
        raise DataError(f"{quoted(path)} has no array 'x'; it has: {', '.join(members.names) or 'none'}.")
    shape = _most_frequent([members.header(name).shape for name in names])
    return np.stack(
        [_numbers(members.read(name), path) for name in names if members.header(name).shape == shape]
    )


def _numbers(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind not in "iubf" or array.ndim == 0:
        raise DataError(
            f"{quoted(path)} holds {array.dtype} of shape {array.shape}; samples are numbers, (n, ...)."
        )
    return array


def _load(data: str, fitting: Sequence[str]) -> Split:
    """Training and validation data, as the first of the tasks `fitting` that can read them does."""
    is_path = files.is_named(files.user_path(data)) or "/" in data
    complaints = []
    for task in fitting:
        config = DatasetConfig(
            type=task,
            name=None if is_path else data,
            path=data if is_path else None,
            validation_size=0.5,  # both parts are used: the share that any data can spare
        )
        try:
            return datasets.load(config, 0, task=tasks.get(config.type).data).full_train
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
