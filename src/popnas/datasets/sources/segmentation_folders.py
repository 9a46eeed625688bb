"""Images and masks as files: SPLIT/images/STEM.* and SPLIT/masks/STEM.png, or SPLIT/STEM.* and
SPLITannot/STEM.png as SegNet's data have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from popnas.datasets import images
from popnas.datasets.masks import COLOUR_FILE, ColourTable, read_mask
from popnas.datasets.ragged import Ragged, Stored
from popnas.datasets.segmentation import SegmentationData
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.datasets.sources._layouts import IMAGE_SUFFIXES, SPLIT_FOLDERS, label_names, split_folder
from popnas.datasets.threads import num_threads
from popnas.errors import DataError, nearest


@SOURCES.register("segmentation_folders", description="image and mask files in folders at dataset.path")
class SegmentationFolders(Source):
    """Folders `train`, `validation`, `test`, each with `images` and `masks` of equal stems; or of images,
    with their masks in a folder beside it whose name ends in `annot`.

    `classes.txt` beside them names the labels; `colors.csv` says which colour of RGB masks is which label.
    """

    tasks = frozenset({"image_segmentation"})
    layout = (
        "a folder train (and validation, test) with folders images and masks (PNG) of equally named files"
    )

    def recognizes(self, path: Path) -> bool:
        """A folder with a split's folder that has `images` and `masks`, or `annot` beside it."""
        return any(
            image_folder.is_dir() and mask_folder.is_dir()
            for split in SPLIT_FOLDERS
            for image_folder, mask_folder in _places(path, split)
        )

    def read(self, request: Request) -> SegmentationData:
        """All images and masks; from disk one by one if they are not to be kept."""
        path = request.path
        assert path is not None
        if split_folder(path, "train") is None:
            raise DataError(
                f"{path} (dataset.path) has no training split: there is no folder train. Looked for: "
                f"{self.layout}."
            )
        pairs = {
            split: paired(*_place(path, split))
            for split in request.splits
            if split_folder(path, split) is not None
        }
        colours = ColourTable.read(path / COLOUR_FILE) if (path / COLOUR_FILE).is_file() else None
        read_one = partial(read_mask, colours=colours)
        return SegmentationData(
            place=str(path),
            images={
                split: read_images([image for image, _ in found], request.is_cached)
                for split, found in pairs.items()
            },
            masks={
                split: read_masks([mask for _, mask in found], read_one, request.is_cached)
                for split, found in pairs.items()
            },
            names={split: [str(mask) for _, mask in found] for split, found in pairs.items()},
            label_names=label_names(path),
        )


def found_splits(path: Path) -> dict[str, tuple[Path, Path]]:
    """Image and mask folder of each split that lies below `path` in this layout."""
    return {
        split: (images_at, masks_at)
        for split in SPLIT_FOLDERS
        for images_at, masks_at in [_place(path, split)]
        if images_at.is_dir() and masks_at.is_dir()
    }


def _places(path: Path, split: str) -> list[tuple[Path, Path]]:
    """Where images and masks of a split may lie, the usual place first."""
    folders = [path / name for name in SPLIT_FOLDERS[split]]
    usual = [(folder / "images", folder / "masks") for folder in folders]
    return usual + [(folder, folder.with_name(f"{folder.name}annot")) for folder in folders]


def _place(path: Path, split: str) -> tuple[Path, Path]:
    """Where images and masks of a split lie; where they should, if they are nowhere."""
    for image_folder, mask_folder in _places(path, split):
        if image_folder.is_dir() and mask_folder.is_dir():
            return image_folder, mask_folder
    folder = split_folder(path, split) or path / split
    return folder / "images", folder / "masks"


def paired(image_folder: Path, mask_folder: Path) -> list[tuple[Path, Path]]:
    """(image, mask) files of equal stems, in order of name.

    Raises:
        DataError: a missing folder, an image without mask or a mask without image, two files of one stem.
    """
    images_by_stem, masks_by_stem = _by_stem(image_folder), _by_stem(mask_folder)
    for have, lack, what, other in (
        (images_by_stem, masks_by_stem, "image", "mask"),
        (masks_by_stem, images_by_stem, "mask", "image"),
    ):
        alone = [stem for stem in have if stem not in lack]
        if alone:
            folder = mask_folder if other == "mask" else image_folder
            some = f" {len(alone)} {what}s have none." if len(alone) > 1 else ""
            raise DataError(
                f"The {what} {have[alone[0]]} has no {other}: {folder} holds no file '{alone[0]}.*'."
                f"{nearest(alone[0], lack)}{some} Images and masks are paired by their names without the "
                "ending: "
                f"add the {other}, or remove the {what}."
            )
    return [(images_by_stem[stem], masks_by_stem[stem]) for stem in sorted(images_by_stem)]


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Images and masks lie in SPLIT/images and SPLIT/masks.")
    files: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in IMAGE_SUFFIXES or file.name.startswith("."):
            continue
        stem = file.relative_to(folder).with_suffix("").as_posix()
        if stem in files:
            raise DataError(
                f"{files[stem]} and {file} have the same name but for the ending. Remove one of them."
            )
        files[stem] = file
    if not files:
        raise DataError(f"{folder} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return files


def read_images(files: Sequence[Path], is_cached: bool) -> Stored:
    """Image files as (n, h, w, c) uint8, or a `Ragged`; grey ones have three channels where others have."""
    return _read(files, partial(images.read, resize=None), is_cached)


def read_masks(files: Sequence[Path], read_one: Callable[[Path], np.ndarray], is_cached: bool) -> Stored:
    """Mask files as labels (n, h, w), or a `Ragged`."""
    return _read(files, read_one, is_cached)


def _read(files: Sequence[Path], read_one: Callable[[Path], np.ndarray], is_cached: bool) -> Stored:
    """All files now, or (not cached) their shapes now and the rest when it is asked for."""
    with ThreadPoolExecutor(num_threads()) as threads:
        if is_cached:
            return stacked(list(threads.map(read_one, files)))
        shapes = list(threads.map(lambda file: read_one(file).shape, files))
    channels = max((shape[2] for shape in shapes if len(shape) == 3), default=None)
    stored = Ragged(
        lambda i: read_one(files[i]), np.array([shape[:2] for shape in shapes]), num_channels=channels
    )
    return stored.map(lambda image: with_channels(image, channels), channels)


def stacked(arrays: list[np.ndarray]) -> Stored:
    """One array where all have one size, else a `Ragged`; grey images repeat their channel where others have
    three.
    """
    channels = max((array.shape[2] for array in arrays if array.ndim == 3), default=None)
    arrays = [with_channels(array, channels) for array in arrays]
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else Ragged.of(arrays)


def with_channels(image: np.ndarray, num_channels: int | None) -> np.ndarray:
    """A grey image with its channel as often as others have channels."""
    if num_channels is None or image.shape[2] == num_channels:
        return image
    return np.repeat(image, num_channels, axis=2)
