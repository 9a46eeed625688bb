"""Images and masks in `.npz` files: x (n, h, w[, c]) uint8 and y (n, h, w), or x_0, y_0, x_1, y_1, ... of
differing sizes; never unpickled.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from popnas.datasets.ragged import Ragged, Stored
from popnas.datasets.segmentation import SegmentationData
from popnas.datasets.sources import SOURCES, Request, Source, _npz
from popnas.datasets.sources._layouts import label_names
from popnas.datasets.sources._npz_members import NpzMembers
from popnas.datasets.sources.segmentation_folders import stacked, with_channels
from popnas.errors import DataError

_LAYOUT = f"{_npz.LAYOUT} (images of differing sizes: x_0, y_0, x_1, y_1, ...)"
_CONVERTER = (
    "Build the files anew from the image and mask folders: popnas dataset segmentation FOLDER -o NEW_FOLDER."
)


@SOURCES.register("segmentation_npz", description="images and masks in .npz files at dataset.path")
class SegmentationNpz(Source):
    """One file per split, or (images of one size) one file with all; `classes.txt` beside names labels."""

    tasks = frozenset({"image_segmentation"})
    layout = _LAYOUT

    def recognizes(self, path: Path) -> bool:
        """An .npz file or a folder of them."""
        return _npz.recognizes(path)

    def read(self, request: Request) -> SegmentationData:
        """The arrays as they are; mapped from disk or read one by one if they are not to be kept."""
        path = request.path
        assert path is not None
        images: dict[str, Stored] = {}
        masks: dict[str, Stored] = {}
        names: dict[str, list[str]] = {}
        for split in request.splits:
            file = _npz.file_of(path, split)
            if file is None:
                continue
            numbers = _numbers(file)
            if numbers:
                images[split] = _members(file, "x", numbers, request.is_cached)
                masks[split] = _members(file, "y", numbers, request.is_cached)
                names[split] = [f"y_{i} of {file}" for i in numbers]
            else:
                keys = _npz.keys_of(file, split, is_only_split=path.is_dir())
                if keys is None:
                    continue
                images[split] = _one_shape(file, keys[0], request.is_cached)
                masks[split] = _one_shape(file, keys[1], request.is_cached)
                names[split] = [f"{keys[1]}[{i}] of {file}" for i in range(len(masks[split]))]
                _check_pair(file, keys, images[split], masks[split])
        if "train" not in images:
            where = (
                "train.npz is missing" if path.is_dir() else f"it holds {_npz.listed(_npz.names_in(path))}"
            )
            raise DataError(f"{path} (dataset.path) has no training split: {where}. Looked for: {_LAYOUT}.")
        return SegmentationData(str(path), images, masks, names, label_names(path))


def _check_pair(file: Path, keys: tuple[str, str], x: Stored, y: Stored) -> None:
    if len(x) != len(y):
        raise DataError(
            f"{file}: '{keys[0]}' holds {len(x)} images and '{keys[1]}' {len(y)} masks; each image needs a "
            "mask."
        )


def _numbers(file: Path) -> list[int]:
    """i of the arrays x_i, which must have their y_i; empty if there are none."""
    names = _npz.names_in(file)
    found = {
        kind: {int(match[1]) for name in names if (match := re.fullmatch(rf"{kind}_(\d+)", name))}
        for kind in "xy"
    }
    for have, lack in (("x", "y"), ("y", "x")):
        alone = sorted(found[have] - found[lack])
        if alone:
            what, other = ("image", "mask") if have == "x" else ("mask", "image")
            raise DataError(f"{file}: the {what} {have}_{alone[0]} has no {other} {lack}_{alone[0]}.")
    return sorted(found["x"])


def _members(file: Path, kind: str, numbers: list[int], is_cached: bool) -> Stored:
    members = NpzMembers(file, _CONVERTER)

    def read(i: int) -> np.ndarray:
        name = f"{kind}_{numbers[i]}"
        return _of_one(members.read(name), name, file)

    if is_cached:
        return stacked([read(i) for i in range(len(numbers))])
    shapes = []
    for i, number in enumerate(numbers):
        shape, dtype = members.kind(f"{kind}_{number}")
        if len(shape) != (3 if kind == "x" else 2) or dtype.hasobject or (kind == "x" and dtype != np.uint8):
            shape = read(i).shape  # or tells what is wrong with it
        shapes.append(shape)
    channels = max(shape[2] if len(shape) == 3 else 1 for shape in shapes) if kind == "x" else None
    stored = Ragged(read, np.array([shape[:2] for shape in shapes]), num_channels=channels)
    return stored.map(lambda image: with_channels(image, channels), channels)


def _one_shape(file: Path, name: str, is_cached: bool) -> Stored:
    """x as (n, h, w, c) uint8 or y as (n, h, w); not cached: a `Ragged` over the file, if it is not
    compressed.
    """
    members = NpzMembers(file, _CONVERTER)
    mapped = None if is_cached else members.mapped(name)
    array = _checked(members.read(name) if mapped is None else mapped, name, file)
    return array if is_cached else Ragged.of(array)


def _checked(array: np.ndarray, name: str, file: Path) -> np.ndarray:
    is_image = name.startswith("x")
    if is_image and array.ndim == 3:
        array = array[..., None]
    if not is_image and array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != (4 if is_image else 3):
        needed = "(n, height, width[, channels])" if is_image else "(n, height, width)"
        hint = " Turn one-hot masks into labels with numpy.argmax(y, axis=-1)." if array.ndim == 4 else ""
        raise DataError(f"{file}: '{name}' has the shape {array.shape}; {needed} is needed.{hint}")
    if is_image and array.dtype != np.uint8:
        raise DataError(
            f"{file}: '{name}' is {array.dtype}; images are bytes of 0..255 (uint8). If white is 1, convert "
            "with "
            "(x * 255).round().astype('uint8')."
        )
    return array


def _of_one(array: np.ndarray, name: str, file: Path) -> np.ndarray:
    """One image (h, w, c) or mask (h, w)."""
    return _checked(array[None], name, file)[0]
