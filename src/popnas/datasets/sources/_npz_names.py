"""Which `.npz` files and which arrays in them are which split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas.datasets.findings import Findings
from popnas.datasets.sources import _layouts
from popnas.datasets.sources._npz_members import NpzMembers
from popnas.errors import DataError, nearest
from popnas.files import is_folder

LAYOUT = (
    "train.npz (and validation.npz, test.npz) with x and y, or one .npz file with x_train, y_train and so on"
)
_KEY = re.compile(r"(x|y|lengths)(?:_(.+))?", re.IGNORECASE)
_NUMBERED = re.compile(r"[xy]_[0-9]+")


@dataclass(frozen=True)
class Keys:
    """The names of a split's arrays in a file."""

    x: str
    y: str
    lengths: str | None


@dataclass(frozen=True)
class FirstLook:
    """Shapes of the training split's arrays, and the type of x."""

    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    x_dtype: np.dtype


def recognizes(path: Path) -> bool:
    """Whether `path` is an .npz file or a folder with one per split."""
    return bool(_split_files(path)) if is_folder(path) else path.suffix.lower() == ".npz"


def files_of(path: Path, findings: Findings | None = None) -> dict[str, Path]:
    """The file of each split: its own in the folder `path`, or `path` itself for all; other files are found.

    Raises:
        DataError: two files of one split.
    """
    if not is_folder(path):
        return dict.fromkeys(_layouts.SPLIT_NAMES, path)
    found = _layouts.one_each((file.stem, file) for file in _split_files(path))
    if findings is not None:
        _layouts.unused(path, found.values(), findings)
    return found


def keys_of(
    members: NpzMembers, split: str, *, is_only_split: bool, findings: Findings | None = None
) -> Keys | None:
    """The names of a split's arrays in a file, or None if it does not hold that split; names of no split are
    found.

    Raises:
        DataError: x without y, two arrays that are meant for the same, or a split's own file without x.
    """
    named: dict[str, list[str]] = {"x": [], "y": [], "lengths": []}
    for name in members.names:
        match = _KEY.fullmatch(name)
        belongs_to = _split_of(match[2], split, is_only_split=is_only_split) if match else None
        if match and belongs_to == split:
            named[match[1].lower()].append(name)
        elif belongs_to is None and findings is not None:
            findings.add("arrays that belong to no split are not used", f"'{name}' in {members.file}")
    if not named["x"] and not is_only_split:
        return None
    for kind, names in named.items():
        if len(names) > 1:
            raise DataError(
                f"{members.file}: {listed(names)} are both '{kind}' of the {split} split by their names. "
                "Leave out what is not meant."
            )
    wanted = named["x"][0] if named["x"] else "x"
    for kind in ("x", "y"):
        if not named[kind]:
            key = kind + wanted[1:]
            raise DataError(
                f"{members.file} has no array '{key}': it holds {listed(members.names)}."
                f"{nearest(key, members.names)}"
            )
    return Keys(named["x"][0], named["y"][0], next(iter(named["lengths"]), None))


def first_look(path: Path) -> FirstLook | None:
    """Of the training split, from the arrays' headers; None if there is none, or it holds x_0, x_1, ..."""
    file = files_of(path).get("train")
    if file is None:
        return None
    members = NpzMembers(file, "")
    if is_numbered(members):
        return None
    keys = keys_of(members, "train", is_only_split=is_folder(path))
    if keys is None:
        return None
    x, y = members.header(keys.x), members.header(keys.y)
    return FirstLook(x.shape, y.shape, x.dtype)


def is_numbered(members: NpzMembers) -> bool:
    """Whether a file holds x_0, y_0, x_1, ..."""
    return any(_NUMBERED.fullmatch(name) for name in members.names)


def listed(keys: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(f"'{key}'" for key in keys) or "nothing"


def _split_of(ending: str | None, split: str, *, is_only_split: bool) -> str | None:
    """The split of an array whose name ends so: none at all is the file's own split, or training."""
    if ending is None:
        return split if is_only_split else "train"
    return None if is_only_split else _layouts.split_named(ending)


def _split_files(folder: Path) -> list[Path]:
    return [
        child
        for child in _layouts.children(folder)
        if child.suffix.lower() == ".npz" and _layouts.split_named(child.stem) is not None
    ]
