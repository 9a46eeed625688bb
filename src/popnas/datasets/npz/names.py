"""Which `.npz` files and which arrays in them are which split.

A split may have a file of its own (`train.npz` with x and y), or one file holds all, its arrays named after
their split: x_train, y_train, x_test, ... as Keras has them, or train_images, train_labels, val_images, ...
as MedMNIST has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas.datasets import layouts
from popnas.datasets.findings import Findings, shown
from popnas.datasets.npz.members import NpzMembers
from popnas.errors import DataError, closest
from popnas.events import NOTE
from popnas.files import is_folder
from popnas.printable import one_line, quoted

LAYOUT = (
    "train.npz (and validation.npz, test.npz) with x and y, or one .npz file with x_train, y_train, x_test "
    "and so on, or train_images, train_labels and so on"
)
_KINDS = {"x": ("x", "images"), "y": ("y", "labels"), "lengths": ("lengths",)}
"""What arrays may be called, in upper or lower case; the split's name may stand before or after it."""
_WORDS = {word: kind for kind, words in _KINDS.items() for word in words}
_BEFORE = re.compile(rf"({'|'.join(_WORDS)})(?:_(.+))?", re.IGNORECASE)
_AFTER = re.compile(rf"(.+)_({'|'.join(_WORDS)})", re.IGNORECASE)
_NUMBERED = re.compile(r"[xy]_[0-9]+")
_UNDERSTOOD = (
    "x and y (or images and labels), and for several splits in one file x_train, y_train, x_test and so on, "
    "or train_images, train_labels and so on"
)


@dataclass(frozen=True)
class Keys:
    """The names of a split's arrays in a file."""

    x: str
    y: str
    lengths: str | None


@dataclass(frozen=True)
class NpzFiles:
    """The file of each split that there may be; `has_all`: one file may hold several."""

    by_split: dict[str, Path]
    has_all: bool


@dataclass(frozen=True)
class FirstLook:
    """Shapes of the training split's arrays, and the type of x."""

    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    x_dtype: np.dtype


def recognizes(path: Path) -> bool:
    """Whether `path` is an .npz file, or a folder with one per split or a single one."""
    if not is_folder(path):
        return path.suffix.lower() == ".npz"
    files = _npz_files(path)
    if any(layouts.split_named(file.stem) is not None for file in files):
        return True
    return len(files) == 1 and not any(map(_is_of_another_layout, layouts.children(path)))


def files_of(path: Path, findings: Findings | None = None) -> NpzFiles:
    """Files that are not used are found.

    Raises:
        DataError: two files of one split, or a single one that cannot be read.
    """
    if not is_folder(path):
        return NpzFiles(dict.fromkeys(layouts.SPLIT_NAMES, path), has_all=True)
    files = _npz_files(path)
    found = layouts.one_each((file.stem, file) for file in files)
    if len(files) == 1 and (not found or _splits_in(NpzMembers(files[0]))):
        found = dict.fromkeys(layouts.SPLIT_NAMES, files[0])
        has_all = True
    else:
        has_all = False
    if findings is not None:
        layouts.unused(path, found.values(), findings)
    return NpzFiles(found, has_all)


def keys_of(members: NpzMembers, split: str, *, has_all: bool, findings: Findings) -> Keys | None:
    """The names of a split's arrays in a file, or None if it does not hold that split; names of no split are
    found, and which were taken for which split.

    Raises:
        DataError: x without y, two arrays that are meant for the same, or arrays of another split in a
            split's own file.
    """
    named: dict[str, list[str]] = {"x": [], "y": [], "lengths": []}
    for name, kind, belongs_to in _read_names(members.names):
        if (belongs_to or ("train" if has_all else split)) == split:
            named[kind].append(name)
        elif not has_all:
            raise DataError(
                f"{quoted(members.file)} is the file of the {split} split by its name and lies beside those "
                f"of other splits, but its array '{name}' is named after the {belongs_to} split. It holds "
                f"{listed(members.names)}. Understood are {_UNDERSTOOD}: leave out what is not meant."
            )
    if not named["x"] and not named["y"] and has_all:
        return None
    for kind, names in named.items():
        if len(names) > 1:
            raise DataError(
                f"{quoted(members.file)}: {listed(names)} are both '{kind}' of the {split} split by their "
                "names. Leave out what is not meant."
            )
    for kind, other in (("x", "y"), ("y", "x")):
        if not named[kind]:
            key = _sibling(named[other][0], kind) if named[other] else kind
            raise DataError(
                f"{quoted(members.file)} has no array '{key}': it holds {listed(members.names)}."
                f"{_misspelt(key, kind, members.names)} Understood are {_UNDERSTOOD}."
            )
    keys = Keys(named["x"][0], named["y"][0], next(iter(named["lengths"]), None))
    _find(members, findings, has_all=has_all)
    return keys


def first_look(path: Path) -> FirstLook | None:
    """Of the training split, from the arrays' headers; None if there is none, or it holds x_0, x_1, ..."""
    if not recognizes(path):
        return None
    files = files_of(path)
    file = files.by_split.get("train")
    if file is None:
        return None
    members = NpzMembers(file)
    if is_numbered(members):
        return None
    keys = keys_of(members, "train", has_all=files.has_all, findings=Findings())
    if keys is None:
        return None
    x, y = members.header(keys.x), members.header(keys.y)
    return FirstLook(x.shape, y.shape, x.dtype)


def is_numbered(members: NpzMembers) -> bool:
    """Whether a file holds x_0, y_0, x_1, ..."""
    return any(_NUMBERED.fullmatch(name) for name in members.names)


def listed(keys: Sequence[str], limit: int = 20) -> str:
    """Names for a message."""
    more = f", ... ({len(keys):,} in all)" if len(keys) > limit else ""
    return (", ".join(f"'{one_line(key)}'" for key in keys[:limit]) or "nothing") + more


def _read_names(names: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Name, kind (x, y, lengths) and split (None: the name says none) of the arrays that are data by their
    names.
    """
    for name in names:
        before, after = _BEFORE.fullmatch(name), _AFTER.fullmatch(name)
        if before is not None and before[2] is None:
            yield name, _WORDS[before[1].lower()], None
        elif before is not None and (split := layouts.split_named(before[2])) is not None:
            yield name, _WORDS[before[1].lower()], split
        elif after is not None and (split := layouts.split_named(after[1])) is not None:
            yield name, _WORDS[after[2].lower()], split


def _splits_in(members: NpzMembers) -> list[str]:
    """The splits that names of arrays say."""
    return [split for _, _, split in _read_names(members.names) if split is not None]


def _sibling(name: str, kind: str) -> str:
    """What the array `kind` beside an array is called."""
    words = name.split("_")
    for i, word in enumerate(words):
        if word.lower() in _WORDS:
            order = _KINDS[_WORDS[word.lower()]].index(word.lower())
            words[i] = _KINDS[kind][order]
    return "_".join(words)


def _misspelt(key: str, kind: str, names: Sequence[str]) -> str:
    """ " Did you mean ...?" where an array that is not understood may be the one that is missing: one that is
    understood is meant for something else, however near its name."""
    understood = {name for name, _, _ in _read_names(names)}
    unknown = [name for name in names if name not in understood]
    before, after = _BEFORE.fullmatch(key), _AFTER.fullmatch(key)
    split = before[2] if before else after[1] if after else None
    right = [
        name
        for word in _KINDS[kind]
        for name in ([word] if split is None else [f"{word}_{split}", f"{split}_{word}"])
    ]
    for name in unknown:
        if (near := closest(name, right)) is not None:
            return f" Did you mean '{name}'? Save it as '{near}'."
    return ""


def _find(members: NpzMembers, findings: Findings, *, has_all: bool) -> None:
    """Add what the names of a file's arrays were taken for, once a file."""
    known = {name: split for name, _, split in _read_names(members.names)}
    by_split: dict[str, list[str]] = {}
    for name, split in known.items():
        by_split.setdefault(split or "train", []).append(name)
    if has_all and any(known.values()):
        told = "; ".join(
            f"{listed(by_split[split])} as {split}" for split in layouts.SPLIT_NAMES if split in by_split
        )
        findings.tell(
            f"{NOTE}the arrays of {shown(members.file)} are taken for splits by their names, {told}"
        )
    for name in members.names:
        if name not in known:
            findings.add_once(
                "arrays that belong to no split are not used", f"'{name}' in {quoted(members.file)}"
            )


def _is_of_another_layout(child: Path) -> bool:
    """Whether it is data of a split as other sources read them."""
    return child.suffix.lower() == ".ts" or (is_folder(child) and layouts.split_named(child.name) is not None)


def _npz_files(folder: Path) -> list[Path]:
    return layouts.children(folder, lambda name: name.lower().endswith(".npz"))
