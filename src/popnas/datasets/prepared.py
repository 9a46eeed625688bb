"""A prepared `Dataset` where all who train on it find it: in files that are mapped, so that the processes of
a machine share one copy and nobody reads, decodes or splits again; or, for one process, the object itself.

Plain `.npy` and JSON, never a pickle. Images and series lie channels first, as batches are made of them:
loaders take views. Mapped arrays may be written to, which nobody else sees (copy on write): torch wants that.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from popnas import files
from popnas.datasets.dataset import Dataset, Fold, Split
from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.datasets.ragged import Ragged, Stored
from popnas.errors import DataError
from popnas.storage import write_json

_DESCRIPTION = "dataset.json"
_CHUNK_BYTES = 4 * 2**20
"""So much is brought into the order of the file at a time: what fits a cache takes an eighth of the time."""
_NUM_SAMPLED = 64

_held: WeakValueDictionary[str, Dataset] = WeakValueDictionary()


def hold(dataset: Dataset) -> str:
    """A place at which `read` finds the data set itself in this process, as long as somebody holds it."""
    place = f"process {os.getpid()}, {uuid.uuid4()}"
    _held[place] = dataset
    return place


def write(dataset: Dataset, folder: Path) -> None:
    """Write `dataset`, without its test split, into `folder`, which is made.

    Raises:
        OSError, StorageError: the disk refused.
    """
    folder.mkdir(parents=True)
    pool = dataset.full_train
    _save_stored(folder / "x", pool.x, has_channels=True)
    _save_stored(folder / "y", pool.y, has_channels=False)
    for name in _BESIDE:
        if (array := getattr(pool, name)) is not None:
            _save(folder / f"{name}.npy", array.dtype, array.shape, [array])
    for k, fold in enumerate(dataset.folds[1:], start=1):
        np.save(folder / f"fold_{k}_train.npy", np.asarray(fold.train_indices), allow_pickle=False)
        np.save(folder / f"fold_{k}_validation.npy", np.asarray(fold.validation_indices), allow_pickle=False)
    weights, size = dataset.class_weights, dataset.network_size
    description = {
        "place": dataset.place,
        "num_train": len(dataset.train),
        "num_folds": len(dataset.folds),
        "class_names": dataset.class_names,
        "class_weights": None if weights is None else weights.tolist(),
        "preprocessing": dataset.preprocessing.to_json(),
        "origin": dataset.origin.to_json(),
        "network_size": None if size is None else list(size),
        "warnings": dataset.warnings,
        "digest": digest(pool),
    }
    write_json(folder / _DESCRIPTION, description)


def read(place: str) -> Dataset:
    """The data set that is held at `place`, or that `write` put into the folder of that name, its arrays
    mapped.

    Raises:
        DataError: it is no longer there, or not as it was written.
    """
    held = _held.get(place)
    if held is not None:
        return held
    folder = Path(place)
    try:
        description = files.read_object(folder / _DESCRIPTION)
        found = _read(folder, description)
        if digest(found.full_train) != description["digest"]:
            raise ValueError("other examples than were written")
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the prepared data at {place} cannot be read: {files.reason(error)}.") from error
    return found


def digest(split: Split) -> str:
    """Of evenly spaced examples with their labels: large data need not be read whole."""
    found = hashlib.sha256()
    for index in np.unique(np.linspace(0, len(split) - 1, _NUM_SAMPLED).astype(int)).tolist():
        for values in (split.x[index], split.y[index]):
            array = np.ascontiguousarray(values)
            found.update(f"{array.dtype.str}{array.shape}".encode())
            found.update(array.tobytes())
    return found.hexdigest()


_BESIDE = tuple(item.name for item in fields(Split) if item.name not in ("x", "y"))
"""What a split has beside its examples and labels, as plain arrays."""


def _read(folder: Path, description: dict[str, Any]) -> Dataset:
    beside = {name: _map(folder / f"{name}.npy") for name in _BESIDE if (folder / f"{name}.npy").exists()}
    pool = Split(
        _map_stored(folder / "x", has_channels=True),
        _map_stored(folder / "y", has_channels=False),
        **beside,
    )
    num_train, weights = description["num_train"], description["class_weights"]
    folds = [Fold(pool, slice(0, num_train), slice(num_train, len(pool)))]
    for k in range(1, description["num_folds"]):
        folds.append(
            Fold(pool, np.load(folder / f"fold_{k}_train.npy"), np.load(folder / f"fold_{k}_validation.npy"))
        )
    return Dataset(
        place=description["place"],
        full_train=pool,
        folds=folds,
        test=None,
        class_names=description["class_names"],
        class_weights=None if weights is None else np.array(weights, dtype=np.float32),
        preprocessing=Preprocessing.from_json(description["preprocessing"]),
        origin=Origin.from_json(description["origin"]),
        network_size=None if description["network_size"] is None else tuple(description["network_size"]),
        warnings=description["warnings"],
    )


# --- arrays


def _save_stored(path: Path, stored: Stored, *, has_channels: bool) -> None:
    """An array, channels first where it has such; examples that differ in size one after the other as they
    are, with their shapes beside them."""
    if isinstance(stored, Ragged):
        depth = [] if stored.num_channels is None else [stored.num_channels]
        shapes = np.array([[*size, *depth] for size in stored.sizes.tolist()], dtype=np.int64)
        np.save(path.with_suffix(".shapes.npy"), shapes, allow_pickle=False)
        _save(path.with_suffix(".npy"), stored.dtype, (int(shapes.prod(axis=1).sum()),), stored)
    elif has_channels:
        shape = (stored.shape[0], stored.shape[-1], *stored.shape[1:-1])
        chunks = (np.moveaxis(chunk, -1, 1) for chunk in _chunks(stored))
        _save(path.with_suffix(".npy"), stored.dtype, shape, chunks)
    else:
        _save(path.with_suffix(".npy"), stored.dtype, stored.shape, _chunks(stored))


def _chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    size = max(_CHUNK_BYTES // max(array[:1].nbytes, 1), 1)
    return (array[start : start + size] for start in range(0, len(array), size))


def _save(path: Path, dtype: np.dtype, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> None:
    """An `.npy` file of parts that lie one after the other. By writing, not into a mapped file: on a full
    disk that would end the process without a word."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part).data)


def _map_stored(path: Path, *, has_channels: bool) -> Stored:
    array, shapes = _map(path.with_suffix(".npy")), path.with_suffix(".shapes.npy")
    if not shapes.exists():
        return np.moveaxis(array, 1, -1) if has_channels else array
    return Ragged.of(_pieces(array, np.load(shapes)))


def _pieces(array: np.ndarray, shapes: np.ndarray) -> list[np.ndarray]:
    ends = shapes.prod(axis=1).cumsum()
    parts = zip([0, *ends.tolist()], ends.tolist(), shapes.tolist(), strict=False)
    return [array[start:end].reshape(shape) for start, end, shape in parts]


def _map(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="c", allow_pickle=False)
