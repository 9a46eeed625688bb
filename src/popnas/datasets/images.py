"""Images as sources read them: decoding files, bringing all to one size and number of channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas.datasets._labelled import Arrays, LabelledData
from popnas.datasets.dataset import Split
from popnas.datasets.preprocessing import Preprocessing
from popnas.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

    from popnas.config import DatasetConfig
    from popnas.config.sections import ResizeConfig

# Pillow's modes of one byte per channel, and what they become. Transparency is dropped, palettes are looked
# up.
_MODES = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "La": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "RGBa": "RGB",
    "RGBX": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "LAB": "RGB",
}


@dataclass
class ImageData(LabelledData):
    """Images per split: one array (n, h, w[, c]) uint8, or a list of arrays (h, w, c) uint8 of any sizes.

    `names[split][i]` tells where image i is from, for messages.
    """

    images: Mapping[str, np.ndarray | Sequence[np.ndarray]] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def arrays(self, splits: Sequence[str], config: DatasetConfig, notes: list[str]) -> dict[str, Arrays]:
        """All images at one size and number of channels (grey ones repeat theirs where others have three)."""
        ready = {split: _as_bytes(self.images[split], split, self.place) for split in splits}
        num_channels = max(image.shape[-1] for images in ready.values() for image in _samples_of(images))
        arrays = {}
        for split, images in ready.items():
            resized = _resized(images, config.resize)
            if not isinstance(resized, np.ndarray):
                resized = self._stacked(resized, split, num_channels)
            arrays[split] = Arrays(_with_channels(resized, num_channels))
        sizes = {split: found.x.shape[1:] for split, found in arrays.items()}
        for split, size in sizes.items():
            if size != sizes["train"]:
                raise DataError(
                    f"The images of the {split} split of {self.place} are {_size(size)}, those of the "
                    f"training split {_size(sizes['train'])}. {_RESIZE_REMEDY}"
                )
        return arrays

    def _stacked(self, images: Sequence[np.ndarray], split: str, num_channels: int) -> np.ndarray:
        shape = images[0].shape[:2]
        for i, image in enumerate(images):
            if image.shape[:2] != shape:
                first, other = self._name(split, 0), self._name(split, i)
                raise DataError(
                    f"The images of {self.place} differ in size: {first} is {_size(shape)}, {other} is "
                    f"{_size(image.shape)}. {_RESIZE_REMEDY}"
                )
        return np.stack([_with_channels(image, num_channels) for image in images])

    def _name(self, split: str, i: int) -> str:
        return self.names[split][i] if split in self.names else f"image {i} of the {split} split"

    def fit(self, train: Split, config: DatasetConfig, notes: list[str]) -> Preprocessing:
        """Bytes to 0..1: nothing to fit."""
        return Preprocessing.of_images(train.x.shape[-1])


_RESIZE_REMEDY = 'Bring all to one size with dataset.resize, such as {"width": 64, "height": 64}.'


def decode(image: Image.Image, name: str) -> np.ndarray:
    """A Pillow image as (h, w, 1 or 3) uint8, turned as its EXIF orientation says.

    Raises:
        DataError: more than 8 bits per channel.
    """
    from PIL import ImageOps

    if image.mode not in _MODES:
        raise _too_deep(name, image.mode)
    pixels = np.asarray(ImageOps.exif_transpose(image).convert(_MODES[image.mode]))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _too_deep(name: str, mode: str) -> DataError:
    return DataError(
        f"{name} has pixels of the kind '{mode}' (more than 8 bits per channel); images of 8 bits are "
        "needed, and how to scale down is yours to say. Convert it, for example with Pillow: "
        "Image.fromarray((pixels / pixels.max() * 255).astype('uint8'))."
    )


def read(path: Path, resize: ResizeConfig | None) -> np.ndarray:
    """An image file as (h, w, 1 or 3) uint8, resized if asked for, so that a folder of large photographs fits
    in memory.

    Raises:
        DataError: a file that is no image or is damaged, named in the message.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = decode(image, str(path))
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"The image {path} cannot be read: {error}. Replace or remove this file.") from error
    return resize_image(pixels, resize) if resize is not None else pixels


def read_shape(path: Path) -> tuple[int, int, int]:
    """The shape (h, w, c) that `read` gives an image file, from its header alone.

    Raises:
        DataError: a file that is no image, or one of more than 8 bits per channel.
    """
    from PIL import ExifTags, Image

    try:
        with Image.open(path) as image:
            is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            mode, (width, height) = image.mode, image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"The image {path} cannot be read: {error}. Replace or remove this file.") from error
    if mode not in _MODES:
        raise _too_deep(str(path), mode)
    return (*((width, height) if is_turned else (height, width)), 3 if _MODES[mode] == "RGB" else 1)


def resize_image(pixels: np.ndarray, resize: ResizeConfig) -> np.ndarray:
    """(h, w, c) uint8 to (resize.height, resize.width, c), bilinear, with antialiasing when it shrinks."""
    from PIL import Image

    size = (resize.width, resize.height)
    if pixels.shape[:2] == size[::-1]:
        return pixels
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(pixels[..., c])).resize(size, Image.Resampling.BILINEAR)
        )
        for c in range(pixels.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def _resized(
    images: np.ndarray | Sequence[np.ndarray], resize: ResizeConfig | None
) -> np.ndarray | Sequence[np.ndarray]:
    if resize is None:
        return images
    resized = [resize_image(image, resize) for image in images]
    return np.stack(resized) if isinstance(images, np.ndarray) else resized


def _samples_of(images: np.ndarray | Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """One image stands for all of an array."""
    return [images[0]] if isinstance(images, np.ndarray) else images


def _with_channels(x: np.ndarray, num_channels: int) -> np.ndarray:
    return np.repeat(x, num_channels, axis=-1) if x.shape[-1] == 1 < num_channels else x


def _as_bytes(
    images: np.ndarray | Sequence[np.ndarray], split: str, place: str
) -> np.ndarray | Sequence[np.ndarray]:
    """Checked images: an array becomes (n, h, w, c) uint8."""
    if not isinstance(images, np.ndarray):
        return images
    if images.dtype.kind not in "iubf":
        raise DataError(
            f"The images of the {split} split of {place} are of the type {images.dtype}; bytes of 0..255 "
            "(uint8) are needed. If these are no images: is dataset.type right?"
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(
            f"The images of the {split} split of {place} have the shape {images.shape}; (n, height, width) "
            "or (n, height, width, channels) is needed."
        )
    if images.shape[-1] > images.shape[1] and images.shape[1] in (1, 3):
        raise DataError(
            f"The images of the {split} split of {place} have the shape {images.shape}, with the channels "
            "first; they must come last: numpy.moveaxis(x, 1, -1)."
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind in "iub" and images.min() >= 0 and images.max() <= 255:
        return images.astype(np.uint8)
    if images.dtype.kind == "f" and np.isnan(images).any():
        n, h, w, c = np.argwhere(np.isnan(images))[0]
        raise DataError(
            f"Image {n} of the {split} split of {place} holds NaN at row {h}, column {w}, channel {c}. "
            "Images are bytes of 0..255, uint8."
        )
    raise DataError(
        f"The images of the {split} split of {place} are {images.dtype} in "
        f"{images.min():g}..{images.max():g}; bytes of 0..255 (uint8) are needed. If white is 1, convert "
        "with (x * 255).round().astype('uint8'). If these are no images: is dataset.type right?"
    )


def _size(shape: Sequence[int]) -> str:
    channels = f" with {shape[2]} channel{'s' if shape[2] > 1 else ''}" if len(shape) == 3 else ""
    return f"{shape[1]}x{shape[0]} (width x height){channels}"
