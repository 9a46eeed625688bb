"""Reading `.npz` data: one file per split, or one file with all; never unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas import files
from popnas.datasets.sources._npz_members import NpzMembers
from popnas.errors import DataError, nearest
from popnas.resources import free_memory

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


_BYTES_PER_EXAMPLE = 64
"""What is kept of an example beside its values while splits are made: its class, its place in them."""
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
        return any(files.is_named(path / name) for names in _FILE_NAMES.values() for name in names)
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
    return next((path / name for name in _FILE_NAMES[split] if files.is_named(path / name)), None)


def keys_of(members: NpzMembers, split: str, *, is_only_split: bool) -> tuple[str, str] | None:
    """The names of a split's x and y in a file, or None if it does not hold that split.

    Raises:
        DataError: x without y, or a split's own file without x.
    """
    file, names = members.file, members.names
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
    found = {split: file_of(path, split) for split in splits}
    return {split: _part(NpzMembers(file, _ZEROS_REMEDY), "") for split, file in found.items() if file}


def _read_file(path: Path, splits: Sequence[str]) -> dict[str, Part]:
    members = NpzMembers(path, _ZEROS_REMEDY)
    parts = {}
    for split in splits:
        for ending in _KEY_ENDINGS[split]:
            if f"x{ending}" in members.names:
                parts[split] = _part(members, ending)
                break
    return parts


def _part(members: NpzMembers, ending: str) -> Part:
    path, keys = members.file, members.names
    x_key, y_key, lengths_key = f"x{ending}", f"y{ending}", f"lengths{ending}"
    for key in (x_key, y_key):
        if key not in keys:
            raise DataError(f"{path} has no array '{key}': it holds {listed(keys)}.{nearest(key, keys)}")
    x_shape, y_shape = members.header(x_key).shape, members.header(y_key).shape
    if not x_shape or not y_shape or x_shape[0] != y_shape[0]:
        raise DataError(
            f"{path}: '{x_key}' has the shape {x_shape} and '{y_key}' {y_shape}; both need one entry per "
            "example."
        )
    _check_number(members, y_key, y_shape[0])
    has_lengths = lengths_key in keys
    members.check_memory([x_key, y_key, lengths_key] if has_lengths else [x_key, y_key])
    x = members.read(x_key)
    lengths = members.read(lengths_key) if has_lengths else None
    if lengths is not None:
        _check_lengths(lengths, x, path, lengths_key)
    return Part(x, members.read(y_key), lengths)


def _check_number(members: NpzMembers, y_key: str, num_examples: int) -> None:
    """Refuse more examples than can be kept apart: a small file may unpack to a billion of one byte each."""
    needed, free = num_examples * _BYTES_PER_EXAMPLE, free_memory()
    if needed > free:
        raise DataError(
            f"{members.file}: '{y_key}' holds {num_examples:,} examples, whose classes and order alone would "
            f"take {files.size_text(needed)} of memory, and {files.size_text(free)} are free. Give fewer "
            "examples."
        )


def _check_lengths(lengths: np.ndarray, x: np.ndarray, path: Path, key: str) -> None:
    if x.ndim < 2:
        raise DataError(f"{path}: '{key}' gives lengths, but x has the shape {x.shape} and no timesteps.")
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
    return NpzMembers(path, _ZEROS_REMEDY).names


def listed(keys: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(f"'{key}'" for key in keys) or "nothing"
