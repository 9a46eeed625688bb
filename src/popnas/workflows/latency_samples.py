"""Real samples for `popnas latency`, in the form that a file takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.errors import DataError, UserError

if TYPE_CHECKING:
    from popnas.export.latency import Input

_TASKS = {4: "image_classification", 3: "time_series_classification"}
MAX_SAMPLES = 1024


def read_samples(data: str, inputs: list[Input]) -> dict[str, np.ndarray]:
    """Up to `MAX_SAMPLES` samples per input of the file, by name: (n, ...), channels first.

    `data`: a `.npz` (its `x`) or `.npy` file, a data set's folder, or a data set's name.

    Raises:
        DataError, UnknownNameError: the data cannot be read, or are not of the file's kind.
        UserError: the file takes neither images nor series.
    """
    main = inputs[0]
    task = _TASKS.get(len(main.axes))
    if task is None:
        raise UserError(
            f"-d is for files that take images (4 axes) or series (3 axes), this one takes {main}. "
            "Give the shape of its samples with -i."
        )
    path = Path(data).expanduser()
    if path.suffix in (".npy", ".npz"):
        return {main.name: _channels_first(_read_array(path), main)}
    is_path = path.exists() or "/" in data
    config = DatasetConfig(type=task, name=None if is_path else data, path=data if is_path else None)
    split = datasets.load(config, 0).full_train.take(slice(0, MAX_SAMPLES))
    samples = {main.name: _channels_first(split.x, main)}
    if split.lengths is not None:
        samples["lengths"] = split.lengths
    return samples


def _read_array(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded[:MAX_SAMPLES]
        with loaded:
            if "x" not in loaded.files:
                raise DataError(f"{path} has no array 'x'; it has: {', '.join(loaded.files) or 'none'}.")
            return loaded["x"][:MAX_SAMPLES]
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _channels_first(x: np.ndarray, taken: Input) -> np.ndarray:
    """The samples as the file takes them: as they are if they fit, else with the last axis first."""
    if x.ndim == len(taken.axes) - 1 and x.ndim == 3:
        x = x[..., None]  # grey images without a channel axis
    if x.ndim != len(taken.axes):
        return x  # the message about the shape comes from where samples are compared with the file
    is_fitting = all(own in (None, n) for own, n in zip(taken.axes[1:], x.shape[1:], strict=True))
    return x if is_fitting and taken.axes[1] is not None else np.moveaxis(x, -1, 1)
