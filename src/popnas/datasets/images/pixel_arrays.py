"""Arrays of images as users save them, checked and as bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popnas.errors import DataError

_DARK = 32
"""Images whose brightest value is below this are nearly black to a network, which divides by 255."""
_MOVE_AXIS = "numpy.moveaxis(x, 1, -1)"


def as_bytes(
    images: np.ndarray | Sequence[np.ndarray], split: str, place: str, notes: list[str]
) -> np.ndarray | Sequence[np.ndarray]:
    """Checked images: an array becomes (n, h, w, c) uint8, where that loses nothing.

    Raises:
        DataError: another shape, channels that come first, values that are no bytes.
    """
    if not isinstance(images, np.ndarray):
        return images
    if images.dtype.kind not in "iubf":
        raise DataError(
            f"The images of the {split} split of {place} are of the type {images.dtype}; bytes of 0..255 "
            "(uint8) are needed. If these are no images: is dataset.type right?"
        )
    images = _with_channel_axis(images, split, place, notes)
    if images.dtype != np.uint8:
        _check_values(images, split, place)
        if images.dtype.kind == "f":
            notes.append(
                f"the images of the {split} split are {images.dtype} without fractions and taken as bytes"
            )
        images = images.astype(np.uint8)
    brightest = int(images.max(initial=0))
    if split == "train" and 0 < brightest < _DARK:
        notes.append(
            f"the brightest value of the training images is {brightest} of 255, so networks see them nearly "
            f"black; if {brightest} is white, convert with (x * (255 / {brightest})).round().astype('uint8')"
        )
    return images


def _with_channel_axis(images: np.ndarray, split: str, place: str, notes: list[str]) -> np.ndarray:
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(
            f"The images of the {split} split of {place} have the shape {images.shape}; (n, height, width) "
            "or (n, height, width, channels) is needed."
        )
    _, height, _, num_channels = images.shape
    if num_channels > 4 and height in (1, 3):
        raise DataError(
            f"The images of the {split} split of {place} have the shape {images.shape}, with the channels "
            f"first; they must come last: {_MOVE_AXIS}."
        )
    if num_channels > max(height, 4):
        notes.append(
            f"the images of the {split} split have {num_channels} channels and only {height} rows: if "
            f"{images.shape} has the channels first, bring them last with {_MOVE_AXIS}"
        )
    return images


def _check_values(images: np.ndarray, split: str, place: str) -> None:
    kind = images.dtype.kind
    if kind == "f" and np.isnan(images).any():
        n, h, w, c = np.argwhere(np.isnan(images))[0]
        raise DataError(
            f"Image {n} of the {split} split of {place} holds NaN at row {h}, column {w}, channel {c}. "
            "Images are bytes of 0..255, uint8."
        )
    is_byte_range = images.min(initial=0) >= 0 and images.max(initial=0) <= 255
    if is_byte_range and (kind != "f" or not (images % 1).any()):
        return
    raise DataError(
        f"The images of the {split} split of {place} are {images.dtype} in "
        f"{images.min():g}..{images.max():g}; bytes of 0..255 (uint8) are needed. If white is 1, convert "
        "with (x * 255).round().astype('uint8'). If these are no images: is dataset.type right?"
    )
