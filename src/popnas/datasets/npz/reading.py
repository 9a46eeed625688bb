"""Reading `.npz` data: one file per split, or one file with all; never unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas import files
from popnas.datasets.findings import Findings, Mistakes
from popnas.datasets.npz.members import NpzMembers
from popnas.datasets.npz.names import LAYOUT, Keys, files_of, keys_of, listed
from popnas.errors import DataError
from popnas.printable import quoted
from popnas.resources import free_memory

_BYTES_PER_EXAMPLE = 256
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


def read(path: Path, splits: Sequence[str], findings: Findings) -> dict[str, Part]:
    """Those of `splits` that exist; files and arrays that are not used are found.

    Raises:
        DataError: no training split, a damaged file, pickled objects, missing arrays, unequal numbers of x
            and y; of all splits at once.
    """
    members: dict[Path, NpzMembers] = {}
    parts: dict[str, Part] = {}
    mistakes = Mistakes()
    files = files_of(path, findings)
    for split, file in files.by_split.items():
        if split not in splits:
            continue
        with mistakes.held(file, split):
            if file not in members:
                members[file] = NpzMembers(file, _ZEROS_REMEDY)
            found = findings if files.has_all else findings.of(split)
            keys = keys_of(members[file], split, has_all=files.has_all, findings=found)
            if keys is not None:
                parts[split] = _part(members[file], keys)
    mistakes.check()
    if "train" not in parts:
        raise DataError(no_training(path))
    return parts


def no_training(path: Path, layout: str = LAYOUT) -> str:
    """Words for data without a training split."""
    files = files_of(path)
    where = (
        f"it holds {listed(names_in(files.by_split['train']))}" if files.has_all else "train.npz is missing"
    )
    return f"{quoted(path)} (dataset.path) has no training split: {where}. Looked for: {layout}."


def _part(members: NpzMembers, keys: Keys) -> Part:
    path = members.file
    x_shape, y_shape = members.header(keys.x).shape, members.header(keys.y).shape
    if not x_shape or not y_shape or x_shape[0] != y_shape[0]:
        raise DataError(
            f"{quoted(path)}: '{keys.x}' has the shape {x_shape} and '{keys.y}' {y_shape}; both need one "
            "entry per example."
        )
    check_number(path, keys.y, y_shape[0], _BYTES_PER_EXAMPLE)
    members.check_memory([keys.x, keys.y, *([keys.lengths] if keys.lengths else [])])
    x = members.read(keys.x)
    lengths = members.read(keys.lengths) if keys.lengths else None
    if lengths is not None and keys.lengths:
        _check_lengths(lengths, x, path, keys.lengths)
    return Part(x, members.read(keys.y), lengths)


def check_number(file: Path, y_key: str, num_examples: int, bytes_each: int) -> None:
    """Refuse more examples than can be kept apart: a small file may unpack to a billion of one byte each.

    Raises:
        DataError: their classes and names, `bytes_each`, take more memory than is free.
    """
    needed, free = num_examples * bytes_each, free_memory()
    if needed > free:
        raise DataError(
            f"{quoted(file)}: '{y_key}' holds {num_examples:,} examples, whose classes and order alone "
            f"would take {files.size_text(needed)} of memory, and {files.size_text(free)} are free. Give "
            "fewer examples."
        )


def _check_lengths(lengths: np.ndarray, x: np.ndarray, path: Path, key: str) -> None:
    if x.ndim < 2:
        raise DataError(
            f"{quoted(path)}: '{key}' gives lengths, but x has the shape {x.shape} and no timesteps."
        )
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu":
        raise DataError(
            f"{quoted(path)}: '{key}' must be integers of shape ({len(x)},), not {lengths.dtype} "
            f"{lengths.shape}."
        )
    if len(x) and (lengths.min() < 1 or lengths.max() > x.shape[1]):
        i = int(np.flatnonzero((lengths < 1) | (lengths > x.shape[1]))[0])
        raise DataError(
            f"{quoted(path)}: '{key}'[{i}] is {lengths[i]}; lengths lie in 1..{x.shape[1]}, the timesteps "
            "of x."
        )


def names_in(path: Path) -> list[str]:
    """The names of the arrays in a file.

    Raises:
        DataError: no readable .npz file.
    """
    return NpzMembers(path, _ZEROS_REMEDY).names
