"""Images and masks in `.npz` files: x (n, h, w[, c]) uint8 and y (n, h, w), or x_0, y_0, x_1, y_1, ... of
differing sizes; never unpickled.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from popnas.command_lines import as_typed
from popnas.datasets.findings import Findings, Mistakes
from popnas.datasets.images.pixel_arrays import rescaling
from popnas.datasets.layouts import label_names
from popnas.datasets.masks.segmentation import SegmentationData
from popnas.datasets.npz import names, reading
from popnas.datasets.npz.members import NpzMembers
from popnas.datasets.ragged import Ragged, Stored
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.datasets.sources.segmentation_folders import stacked, with_channels
from popnas.errors import DataError
from popnas.printable import counted, quoted

_LAYOUT = f"{names.LAYOUT} (images of differing sizes: x_0, y_0, x_1, y_1, ...)"


_BYTES_PER_MASK = 1024
"""What is kept of a mask beside its pixels: its name, its labels and their counts."""


@SOURCES.register("segmentation_npz", description="images and masks in .npz files at dataset.path")
class SegmentationNpz(Source):
    """One file per split, or (images of one size) one file with all; `classes.txt` beside names labels."""

    tasks = frozenset({"image_segmentation"})
    layout = _LAYOUT

    def recognizes(self, path: Path) -> bool:
        """An .npz file or a folder of them."""
        return names.recognizes(path)

    def read(self, request: Request) -> SegmentationData:
        """The arrays as they are; mapped from disk or read one by one if they are not to be kept."""
        path = request.path
        assert path is not None
        images: dict[str, Stored] = {}
        masks: dict[str, Stored] = {}
        mask_names: dict[str, list[str]] = {}
        findings, mistakes = Findings(), Mistakes()
        files = names.files_of(path, findings)
        for split, file in files.by_split.items():
            if split in request.splits:
                with mistakes.held(file, split):
                    found = findings if files.has_all else findings.of(split)
                    pair = _pair(file, split, has_all=files.has_all, request=request, findings=found)
                    if pair is not None:
                        images[split], masks[split], mask_names[split] = pair
        mistakes.check()
        if "train" not in images:
            raise DataError(reading.no_training(path, _LAYOUT))
        return SegmentationData(quoted(path), images, masks, mask_names, label_names(path), findings=findings)


def _pair(
    file: Path, split: str, *, has_all: bool, request: Request, findings: Findings
) -> tuple[Stored, Stored, list[str]] | None:
    """Images, masks and the masks' names of a split; None if the file does not hold it."""
    command = as_typed("dataset", "segmentation", "FOLDER", "-o", "NEW_FOLDER")
    members = NpzMembers(file, f"Build the files anew from the image and mask folders: {command}.")
    numbers = _numbers(members)
    if numbers:
        if split != "train" and has_all:
            return None  # one file of numbered arrays is the training split
        used = {f"{kind}_{number}" for kind in "xy" for number in numbers}
        for name in members.names:
            if name not in used:
                findings.add("arrays that belong to no pair are not used", f"'{name}' in {quoted(file)}")
        images = _numbered(members, "x", numbers, request.is_cached)
        masks = _numbered(members, "y", numbers, request.is_cached)
        return images, masks, [f"y_{i} of {quoted(file)}" for i in numbers]
    keys = names.keys_of(members, split, has_all=has_all, findings=findings)
    if keys is None:
        return None
    _check_pair(members, keys.x, keys.y)
    images = _one_shape(members, keys.x, request.is_cached, is_image=True)
    masks = _one_shape(members, keys.y, request.is_cached, is_image=False)
    return images, masks, [f"{keys.y}[{i}] of {quoted(file)}" for i in range(len(masks))]


def _check_pair(members: NpzMembers, x_key: str, y_key: str) -> None:
    """Refuse unequal numbers of images and masks, and more than can be told apart, before any is read."""
    num_images, num_masks = ((*members.header(key).shape, 0)[0] for key in (x_key, y_key))
    if num_images != num_masks:
        raise DataError(
            f"{quoted(members.file)}: '{x_key}' holds {counted(num_images, 'image')} and '{y_key}' "
            f"{num_masks} masks; each "
            "image needs a mask."
        )
    reading.check_number(members.file, y_key, num_masks, _BYTES_PER_MASK)


def _numbers(members: NpzMembers) -> list[str]:
    """The i of the arrays x_i, which must have their y_i, in order of number; empty if there are none."""
    found = {
        kind: {match[1] for name in members.names if (match := re.fullmatch(rf"{kind}_([0-9]+)", name))}
        for kind in "xy"
    }
    for have, lack in (("x", "y"), ("y", "x")):
        alone = sorted(found[have] - found[lack], key=_order)
        if alone:
            what, other = ("image", "mask") if have == "x" else ("mask", "image")
            raise DataError(
                f"{quoted(members.file)}: the {what} {have}_{alone[0]} has no {other} {lack}_{alone[0]}."
            )
    return sorted(found["x"], key=_order)


def _order(digits: str) -> tuple[int, str, str]:
    """Sorts numbers by value, however many digits they have."""
    value = digits.lstrip("0")
    return len(value), value, digits


def _numbered(members: NpzMembers, kind: str, numbers: list[str], is_cached: bool) -> Stored:
    """The arrays x_i or y_i, one image or mask each."""
    names = [f"{kind}_{number}" for number in numbers]
    shapes = []
    for name in names:
        header = members.header(name)
        where = f"{quoted(members.file)}: '{name}'"
        shapes.append(_shape((1, *header.shape), header.dtype, where, is_image=kind == "x")[1:])
    if kind == "x":
        _check_bytes(members, names)

    def read(i: int) -> np.ndarray:
        return members.read(names[i]).reshape(shapes[i])

    if is_cached:
        members.check_memory(names)
        return stacked([read(i) for i in range(len(names))])
    channels = max(shape[2] for shape in shapes) if kind == "x" else None
    stored = Ragged(read, np.array([shape[:2] for shape in shapes]), num_channels=channels)
    return stored.map(lambda image: with_channels(image, channels), channels)


def _one_shape(members: NpzMembers, name: str, is_cached: bool, *, is_image: bool) -> Stored:
    """x as (n, h, w, c) uint8 or y as (n, h, w); not cached: a `Ragged` over the file, if it is not
    compressed.
    """
    header = members.header(name)
    shape = _shape(header.shape, header.dtype, f"{quoted(members.file)}: '{name}'", is_image=is_image)
    if is_image:
        _check_bytes(members, [name])
    row = None if is_cached else members.rows(name)
    if row is None:
        array = members.read(name).reshape(shape)
        return array if is_cached else Ragged.of(array)
    sizes = np.broadcast_to(np.array(shape[1:3]), (shape[0], 2))
    return Ragged(lambda i: row(i).reshape(shape[1:]), sizes, num_channels=(*shape, None)[3])


def _check_bytes(members: NpzMembers, keys: list[str]) -> None:
    """Refuse images that are no bytes, with the line that makes bytes of the values that all of them hold."""
    others = [name for name in keys if members.header(name).dtype != np.uint8]
    if not others:
        return
    dtype, where = members.header(others[0]).dtype, f"{quoted(members.file)}: '{others[0]}'"
    needed = "images are bytes of 0..255 (uint8)."
    if dtype.kind == "b":
        raise DataError(
            f"{where} is bool; {needed} If True is white, convert with (x * 255).astype('uint8')."
        )
    if dtype.kind not in "iuf":
        raise DataError(
            f"{where} is {dtype}; {needed} Are '{others[0]}' and the masks in each other's place?"
        )
    ends = set[float]()
    for name in others:
        values = members.read(name)
        if not np.isfinite(values).all():
            raise DataError(
                f"{quoted(members.file)}: '{name}' holds NaN or infinite values; {needed} Such pixels become "
                "black with numpy.where(numpy.isfinite(x), x, 0)."
            )
        if values.size:
            ends |= {float(values.min()), float(values.max())}
    low, high = min(ends, default=0), max(ends, default=0)
    is_cast_enough = dtype.kind in "iu" and low >= 0 and high <= 255
    remedy = "Convert with x.astype('uint8')." if is_cast_enough else rescaling(low, high)
    these = "these lie" if len(others) == 1 else f"the {len(others)} that are none lie together"
    raise DataError(f"{where} is {dtype.name}; {needed[:-1]}, and {these} in {low:g}..{high:g}. {remedy}")


def _shape(shape: tuple[int, ...], dtype: np.dtype, where: str, *, is_image: bool) -> tuple[int, ...]:
    """The array's shape as it is used: images (n, h, w, c), masks (n, h, w); `where` names it in messages.

    Raises:
        DataError: another shape, or a type that images or masks do not have.
    """
    used = shape
    if is_image and len(shape) == 3:
        used = (*shape, 1)
    if not is_image and len(shape) == 4 and shape[-1] == 1:
        used = shape[:-1]
    if len(used) != (4 if is_image else 3):
        needed = "(n, height, width[, channels])" if is_image else "(n, height, width)"
        hint = " Turn one-hot masks into labels with numpy.argmax(y, axis=-1)." if len(used) == 4 else ""
        raise DataError(f"{where} has the shape {shape}; {needed} is needed.{hint}")
    if is_image and used[1] in (1, 3, 4) and used[3] > 4:
        raise DataError(
            f"{where} has the shape {shape}, with the channels first; they must come last: "
            "numpy.moveaxis(x, -3, -1)."
        )
    if dtype.kind not in "iubf":
        raise DataError(f"{where} is of the type {dtype}; masks hold whole numbers, one per pixel.")
    return used
