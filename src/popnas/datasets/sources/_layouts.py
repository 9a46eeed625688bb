"""What folders and files of a split are called, and names of labels beside the data."""

from __future__ import annotations

from pathlib import Path

from popnas.errors import DataError

SPLIT_FOLDERS = {
    "train": ("train", "keras_training"),
    "validation": ("validation", "val", "keras_validation"),
    "test": ("test", "keras_test"),
}
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"}
)
LABEL_NAMES = "classes.txt"


def split_folder(path: Path, split: str) -> Path | None:
    """The folder of a split below `path`, if there is one."""
    return next((path / name for name in SPLIT_FOLDERS[split] if (path / name).is_dir()), None)


def label_names(path: Path) -> list[str] | None:
    """The names of labels in `classes.txt` (line i: label i) beside the data, if there is such a file."""
    file = (path if path.is_dir() else path.parent) / LABEL_NAMES
    if not file.is_file():
        return None
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The names of labels in {file} cannot be read: {error}.") from error
    while names and not names[-1]:
        names.pop()
    return [name or str(i) for i, name in enumerate(names)] or None
