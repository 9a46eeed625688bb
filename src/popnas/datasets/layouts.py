"""What folders and files of a split are called, which files are data, and names of labels beside the data."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from popnas import files
from popnas.datasets.findings import Findings, shown
from popnas.datasets.images import decoding
from popnas.datasets.masks.mask_files import COLOUR_FILE
from popnas.errors import DataError
from popnas.files import is_file, is_folder
from popnas.printable import quoted

SPLIT_NAMES = {
    "train": ("train", "training", "keras_training"),
    "validation": ("validation", "valid", "val", "dev", "keras_validation"),
    "test": ("test", "testing", "keras_test"),
}
"""How splits are spelled, in upper or lower case; the first is ours."""
_SPLIT_OF = {name: split for split, names in SPLIT_NAMES.items() for name in names}
_PAIR_NAMES = {
    "images": ("images", "image", "imgs", "img"),
    "masks": ("masks", "mask", "labels", "label", "annotations", "annotation"),
}
LABEL_NAMES = "classes.txt"
HIDDEN = "names that begin with a dot are passed over"
_NESTED = "images in folders inside a class folder count for that class"
# What file managers and synchronisation put beside the data.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found"})
_DATA_SUFFIXES = frozenset(
    {".npz", ".npy", ".ts", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".h5", ".mat", ".csv", ".tsv"}
) | {".parquet", ".pkl", ".arff", ".tfrecord"}


def split_named(name: str) -> str | None:
    """The split that a folder, or a file without its ending, of that name is; None if it is none."""
    return _SPLIT_OF.get(name.casefold())


def children(folder: Path, is_meant: Callable[[str], object] = bool) -> list[Path]:
    """What a folder holds under names that are meant, sorted, without what is hidden and litter.

    Raises:
        DataError: a folder that may not be read.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - to sort texts takes a tenth of the time for paths
    except OSError as error:
        raise _unreadable(folder, error) from error
    kept = (name for name in names if is_meant(name) and not is_hidden(name) and not is_litter(name))
    return [folder / name for name in sorted(kept)]


def split_folders(path: Path) -> dict[str, Path]:
    """The folder of each split below `path`, in the order of `SPLIT_NAMES`.

    Raises:
        DataError: two folders of one split.
    """
    if not is_folder(path):
        return {}
    return one_each((child.name, child) for child in children(path, split_named) if is_folder(child))


def above_split(path: Path) -> str | None:
    """What to say of a folder that is one of the splits of the data in the folder above, and what helps: the
    rest of a sentence; None of any other."""
    whole = path.absolute()
    split = split_named(whole.name)
    if split is None or (split != "train" and "train" not in split_folders(whole.parent)):
        return None
    above = path.parent if path.name not in ("", "..") else whole.parent
    return f"it is the {split} split of the data in the folder above: give that folder, {quoted(above)}"


def one_each(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Which of the named folders or files is which split.

    Raises:
        DataError: two of one split.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for name, place in named:
        split = split_named(name)
        if split is not None:
            found[split].append(place)
    for split, places in found.items():
        if len(places) > 1:
            raise DataError(
                f"{' and '.join(map(shown, places))} both are the {split} split by their names. Put their "
                "content together, or rename what is not meant."
            )
    return {split: found[split][0] for split in SPLIT_NAMES if split in found}


def _pair_kind(name: str) -> str | None:
    """What a folder of that name holds, images or masks; None if it says neither."""
    return next((kind for kind, names in _PAIR_NAMES.items() if name.casefold() in names), None)


def pair_folders(folder: Path) -> tuple[Path, Path] | None:
    """The folders of images and of masks in the folder of a split, in their usual spellings.

    Raises:
        DataError: two folders of one kind.
    """
    found = {}
    for kind in _PAIR_NAMES:
        named = [child for child in children(folder, _pair_kind) if _pair_kind(child.name) == kind]
        folders = [child for child in named if is_folder(child)]
        if len(folders) > 1:
            raise DataError(
                f"{' and '.join(map(shown, folders))} both may be the {kind} by their names. Rename what is "
                "not meant."
            )
        if folders:
            found[kind] = folders[0]
    return (found["images"], found["masks"]) if len(found) == 2 else None


def place_of_pairs(folder: Path) -> tuple[Path, Path] | None:
    """Where images and masks of the split with the folder `folder` lie, the usual place first."""
    beside = folder.with_name(f"{folder.name}annot")
    return pair_folders(folder) or ((folder, beside) if is_folder(beside) else None)


def unused(path: Path, used: Iterable[Path], findings: Findings) -> None:
    """Find folders and data files in `path` that are not `used`."""
    known = set(used)
    for child in children(path):
        if child in known:
            continue
        if is_folder(child):
            spellings = ", ".join(names[0] for names in SPLIT_NAMES.values())
            findings.add(
                f"folders beside the splits are not used (splits are named {spellings})", f"{child}/"
            )
        elif child.name != COLOUR_FILE and child.suffix.lower() in _DATA_SUFFIXES | decoding.SUFFIXES:
            findings.add("files beside the splits are not used", child)


def is_hidden(name: str) -> bool:
    """Whether a program put it there for itself."""
    return name.startswith(".")


def is_litter(name: str) -> bool:
    """Whether a file manager put it there."""
    return name.casefold() in _LITTER


def image_files(folder: Path, findings: Findings, *, is_class: bool = False) -> list[Path]:
    """The image files in a folder and in folders below, in order of name; links are followed.

    What is passed over is found: hidden images, files of other kinds, links that lead nowhere; of a class
    folder (`is_class`) also that it has folders with images.
    """
    files: list[Path] = []
    for place, names in _walk(folder, findings):
        before = len(files)
        for name in names:
            file = place / name
            if is_litter(name):
                continue
            if is_hidden(name):
                if file.suffix.lower() in decoding.SUFFIXES:
                    findings.add(HIDDEN, file)
            elif not is_file(file):
                findings.add("links that lead nowhere, pipes and the like are passed over", file)
            elif file.suffix.lower() in decoding.SUFFIXES:
                files.append(file)
            else:
                findings.pass_over(file)
        if is_class and place != folder and len(files) > before:
            findings.add(_NESTED, f"{place}/")
    return sorted(files, key=lambda file: file.parts)


def holds_images(folder: Path) -> bool:
    """Whether an image file lies in the folder itself."""
    return any(child.suffix.lower() in decoding.SUFFIXES for child in children(folder))


def _walk(folder: Path, findings: Findings) -> Iterator[tuple[Path, list[str]]]:
    """Folders and the names of their files; hidden folders are left out, links back are not followed.

    Not `os.walk`, whose calls nest as deep as the folders do.
    """
    # With each folder the real path that it has, and those of the folders above it that hold a link to below.
    left: list[tuple[Path, str, tuple[str, ...]]] = [(folder, os.path.realpath(folder), ())]
    while left:
        place, real, left_at = left.pop()
        names = []
        for entry in _entries(place):
            child, is_link = place / entry.name, entry.is_symlink()
            if not (is_folder(child) if is_link else entry.is_dir()):
                names.append(entry.name)
            elif is_hidden(entry.name):
                findings.add(HIDDEN, f"{child}/")
            elif not is_link and not is_litter(entry.name):
                left.append((child, str(Path(real, entry.name)), left_at))
            elif is_link and _is_above(target := os.path.realpath(child), (*left_at, real)):
                findings.add("links back to a folder above are not followed", child)
            elif is_link and not is_litter(entry.name):
                left.append((child, target, (*left_at, real)))
        yield place, names


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _is_above(folder: str, places: Iterable[str]) -> bool:
    """Whether the real path of a folder is that of one of the places or of what holds it."""
    return any(place == folder or place.startswith(folder.rstrip("/") + "/") for place in places)


def _unreadable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"The folder {shown(folder)} cannot be read: {files.reason(error)}. Give it the right to be read."
    )


def label_names(path: Path) -> list[str] | None:
    """The names of labels in `classes.txt` (line i: label i) beside the data, if there is such a file."""
    file = (path if is_folder(path) else path.parent) / LABEL_NAMES
    if not files.is_named(file):
        return None
    try:
        names = [line.strip() for line in files.read_text(file).splitlines()]
    except OSError as error:
        raise DataError(
            f"The names of labels in {quoted(file)} cannot be read: {files.reason(error)}."
        ) from error
    while names and not names[-1]:
        names.pop()
    return [name or str(i) for i, name in enumerate(names)] or None
