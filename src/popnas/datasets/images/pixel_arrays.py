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
            notes.append(f"images that are {images.dtype.name} without fractions are taken as bytes")
        images = images.astype(np.uint8)
    brightest = int(images.max(initial=0))
    if split == "train" and 0 < brightest < _DARK:
        notes.append(
            f"the brightest value of the training images is {brightest} of 255, so networks see them nearly "
            f"black; if {brightest} is white, convert with (x * (255 / {brightest})).round().astype('uint8')"
        )
    return images


def notes_of_channels(num_channels: int) -> list[str]:
    """A note on images with so many channels, if there is something to choose."""
    if num_channels != 4:
        return []
    return [
        "the images have 4 channels, and networks see all of them as they are stored; if the fourth is "
        "transparency (alpha), it is one more value to learn from: leave it out with x[..., :3]"
    ]


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
            f"the images have {num_channels} channels and only {height} rows: if {images.shape[1:]} has the "
            f"channels first, bring them last with {_MOVE_AXIS}"
        )
    return images


def _check_values(images: np.ndarray, split: str, place: str) -> None:
    kind = images.dtype.kind
    if kind == "f" and not np.isfinite(images).all():
        n, h, w, c = np.argwhere(~np.isfinite(images))[0]
        number = "NaN" if np.isnan(images[n, h, w, c]) else "an infinite value"
        raise DataError(
            f"Image {n} of the {split} split of {place} holds {number} at row {h}, column {w}, channel {c}. "
            "Images are bytes of 0..255, uint8. Such pixels become black with "
            "numpy.where(numpy.isfinite(x), x, 0)."
        )
    is_byte_range = images.min(initial=0) >= 0 and images.max(initial=0) <= 255
    if is_byte_range and (kind != "f" or not (images % 1).any()):
        return
    low, high = images.min(), images.max()
    raise DataError(
        f"The images of the {split} split of {place} are {images.dtype.name} in {low:g}..{high:g}; bytes of "
        f"0..255 (uint8) are needed. {rescaling(float(low), float(high))} If these are no images: is "
        "dataset.type right?"
    )


def rescaling(low: float, high: float) -> str:
    """The line that makes bytes of values in that range."""
    if low >= 0 and high <= 1:
        return "If white is 1, convert with (x * 255).round().astype('uint8')."
    if low >= -1 and high <= 1:
        return "If black is -1 and white 1, convert with ((x + 1) * 127.5).round().astype('uint8')."
    if low >= 0 and high <= 255:
        return "Round them: x.round().astype('uint8')."
    if low >= 0 and high <= 65535:
        return "If white is 65535, convert with (x / 257).round().astype('uint8')."
    if low == high:
        return "All their values are equal."
    return (
        f"If black is {low:g} and white {high:g}, convert with ((x - ({low:.17g})) / "
        f"({high:.17g} - ({low:.17g})) * 255).round().astype('uint8')."
    )
