"""Reading `.npz` data: one file per split, or one file with all; never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from popnas.errors import DataError, nearest

LAYOUT = (
    "train.npz (and validation.npz, test.npz) with x and y, or one .npz file with x_train, y_train and so on"
)

_FILE_NAMES = {
    "train": ("train.npz", "keras_training.npz"),
    "validation": ("validation.npz", "keras_validation.npz"),
    "test": ("test.npz", "keras_test.npz"),
}
# What the keys of a split end in, where one file holds several splits.
_KEY_ENDINGS = {"train": ("_train", ""), "validation": ("_validation", "_val"), "test": ("_test",)}


_ZEROS_REMEDY = (
    "Save plain numbers or texts; series of unequal lengths as one array filled up with zeros, with their "
    "lengths in an array 'lengths'."
)


@dataclass(frozen=True)
class Part:
    """One split as it lies in a file; `lengths` (n,) only where series end at different times."""

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray | None


def recognizes(path: Path) -> bool:
    """Whether `path` is an .npz file or a folder with one per split."""
    if path.is_dir():
        return any((path / name).is_file() for names in _FILE_NAMES.values() for name in names)
    return path.suffix == ".npz"


def read(path: Path, splits: Sequence[str]) -> dict[str, Part]:
    """Those of `splits` that exist.

    Raises:
        DataError: no training split, a damaged file, pickled objects, missing arrays, unequal numbers of x
            and y.
    """
    parts = _read_folder(path, splits) if path.is_dir() else _read_file(path, splits)
    if "train" not in parts:
        where = "train.npz is missing" if path.is_dir() else f"it holds {listed(names_in(path))}"
        raise DataError(f"{path} (dataset.path) has no training split: {where}. Looked for: {LAYOUT}.")
    return parts


def file_of(path: Path, split: str) -> Path | None:
    """The file that holds a split: `path` itself, or the split's own file in the folder `path`, or None."""
    if not path.is_dir():
        return path
    return next((path / name for name in _FILE_NAMES[split] if (path / name).is_file()), None)


def keys_of(file: Path, split: str, *, is_only_split: bool) -> tuple[str, str] | None:
    """The names of a split's x and y in a file, or None if it does not hold that split.

    Raises:
        DataError: x without y, or a split's own file without x.
    """
    names = names_in(file)
    endings = ("",) if is_only_split else _KEY_ENDINGS[split]
    for ending in endings:
        if f"x{ending}" in names or is_only_split:
            for key in (f"x{ending}", f"y{ending}"):
                if key not in names:
                    raise DataError(
                        f"{file} has no array '{key}': it holds {listed(names)}.{nearest(key, names)}"
                    )
            return f"x{ending}", f"y{ending}"
    return None


def _read_folder(path: Path, splits: Sequence[str]) -> dict[str, Part]:
    parts = {}
    for split in splits:
        for name in _FILE_NAMES[split]:
            if (path / name).is_file():
                parts[split] = _part(path / name, "x", "y", "lengths")
                break
    return parts


def _read_file(path: Path, splits: Sequence[str]) -> dict[str, Part]:
    keys = names_in(path)
    parts = {}
    for split in splits:
        for ending in _KEY_ENDINGS[split]:
            if f"x{ending}" in keys:
                parts[split] = _part(path, f"x{ending}", f"y{ending}", f"lengths{ending}")
                break
    return parts


def _part(path: Path, x_key: str, y_key: str, lengths_key: str) -> Part:
    keys = names_in(path)
    arrays = {}
    for key in (x_key, y_key):
        if key not in keys:
            raise DataError(f"{path} has no array '{key}': it holds {listed(keys)}.{nearest(key, keys)}")
        arrays[key] = _array(path, key)
    x, y = arrays[x_key], arrays[y_key]
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise DataError(
            f"{path}: '{x_key}' has the shape {x.shape} and '{y_key}' {y.shape}; both need one entry per "
            "example."
        )
    lengths = _array(path, lengths_key) if lengths_key in keys else None
    if lengths is not None:
        _check_lengths(lengths, x, path, lengths_key)
    return Part(x, y, lengths)


def _check_lengths(lengths: np.ndarray, x: np.ndarray, path: Path, key: str) -> None:
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu":
        raise DataError(
            f"{path}: '{key}' must be integers of shape ({len(x)},), not {lengths.dtype} {lengths.shape}."
        )
    if len(x) and (lengths.min() < 1 or lengths.max() > x.shape[1]):
        i = int(np.flatnonzero((lengths < 1) | (lengths > x.shape[1]))[0])
        raise DataError(
            f"{path}: '{key}'[{i}] is {lengths[i]}; lengths lie in 1..{x.shape[1]}, the timesteps of x."
        )


def names_in(path: Path) -> list[str]:
    """The names of the arrays in a file.

    Raises:
        DataError: no readable .npz file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, NpzFile):
                raise DataError(
                    f"{path} holds a single array and no names; save it with numpy.savez(path, x=..., y=...)."
                )
            return list(file.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        # numpy takes what it does not know for a pickle, and advises to load it unsafely.
        reason = "it is none" if type(error) is ValueError else error
        raise DataError(
            f"{path} cannot be read as an .npz file: {reason}. Write it anew with numpy.savez."
        ) from error


def _array(path: Path, key: str) -> np.ndarray:
    with np.load(path, allow_pickle=False) as file:
        return member(file, key, path, _ZEROS_REMEDY)


def member(archive: NpzFile, name: str, path: Path, pickle_remedy: str) -> np.ndarray:
    """An array of an open file.

    Raises:
        DataError: it is damaged, or holds pickled objects; then `pickle_remedy` says what to do.
    """
    try:
        array: np.ndarray = archive[name]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise unreadable(name, path, error, pickle_remedy) from error
    return array


def unreadable(name: str, path: Path, error: Exception, pickle_remedy: str) -> DataError:
    """Why an array cannot be read: it is damaged, or it holds pickled objects."""
    if "allow_pickle" not in str(error):
        return DataError(f"The array '{name}' of {path} is damaged: {error}.")
    return DataError(
        f"The array '{name}' of {path} holds pickled Python objects, which are never loaded: a pickle can "
        f"run any code. {pickle_remedy}"
    )


def listed(keys: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(f"'{key}'" for key in keys) or "nothing"
