"""Images in folders named after their class: SPLIT/CLASS/image.png."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from popnas.datasets import images
from popnas.datasets.images import ImageData
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.datasets.sources._layouts import IMAGE_SUFFIXES, SPLIT_FOLDERS, split_folder
from popnas.datasets.threads import num_threads
from popnas.errors import DataError


@SOURCES.register("class_folders", description="image files in one folder per class at dataset.path")
class ClassFolders(Source):
    """Folders `train`, `validation`, `test` (or `keras_training`, ...), each with one folder per class."""

    tasks = frozenset({"image_classification"})
    layout = "a folder train (and validation, test) with one folder of images per class"

    def recognizes(self, path: Path) -> bool:
        """A folder with the folder of a split, unless that holds images and their masks."""
        folders = [
            path / name for names in SPLIT_FOLDERS.values() for name in names if (path / name).is_dir()
        ]
        return bool(folders) and not all(_holds_masks(folder) for folder in folders)

    def read(self, request: Request) -> ImageData:
        """All images, decoded, and resized if asked for."""
        assert request.path is not None
        files = {
            split: folder
            for split in request.splits
            if (folder := split_folder(request.path, split)) is not None
        }
        if "train" not in files:
            raise DataError(
                f"{request.path} (dataset.path) has no training split: there is no folder train (nor "
                f"keras_training). Looked for: {self.layout}."
            )
        found = {split: _files(folder) for split, folder in files.items()}
        decode = partial(images.read, resize=request.resize)
        with ThreadPoolExecutor(num_threads()) as threads:
            pixels = {
                split: list(threads.map(decode, (file for _, file in pairs)))
                for split, pairs in found.items()
            }
        return ImageData(
            place=str(request.path),
            labels={split: np.array([label for label, _ in pairs]) for split, pairs in found.items()},
            images=pixels,
            names={split: [str(file) for _, file in pairs] for split, pairs in found.items()},
        )


def _holds_masks(folder: Path) -> bool:
    return {child.name for child in folder.iterdir() if child.is_dir()} == {"images", "masks"}


def _files(folder: Path) -> Sequence[tuple[str, Path]]:
    """(class, file) of every image, in order of name."""
    classes = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    if not classes:
        raise DataError(
            f"{folder} holds no folders. Put the images of each class into a folder with the class's name."
        )
    pairs: list[tuple[str, Path]] = []
    for child in classes:
        files = sorted(
            file for file in child.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
        )
        if not files:
            raise DataError(
                f"The class folder {child} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}). Put some "
                "in, or "
                "remove it."
            )
        pairs.extend((child.name, file) for file in files)
    return pairs
