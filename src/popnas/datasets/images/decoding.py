"""Images as sources read them: decoding files, bringing all to one size and number of channels."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas import files
from popnas.datasets._labelled import Arrays, LabelledData
from popnas.datasets.dataset import Split
from popnas.datasets.findings import Findings, Notes, shown
from popnas.datasets.images.pixel_arrays import as_bytes, notes_of_channels
from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.errors import DataError, SizesDifferError
from popnas.printable import counted
from popnas.resources import free_memory

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

    `names[split][i]` tells where image i is from, for messages. `are_files`: they were decoded by `decode`.
    `original_sizes[split]` (n, 2): height and width of those that were resized when they were read. `white`:
    what the data have where `images` have 255; a source that turns values says so with it.
    """

    images: Mapping[str, np.ndarray | Sequence[np.ndarray]] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    original_sizes: Mapping[str, np.ndarray] = field(default_factory=dict)
    are_files: bool = False
    white: int = 255

    def arrays(self, splits: Sequence[str], config: DatasetConfig, notes: Notes) -> dict[str, Arrays]:
        """All images at one size and number of channels (grey ones repeat theirs where others have three)."""
        ready = {split: as_bytes(self.images[split], split, self.place, notes.of(split)) for split in splits}
        num_channels = self._num_channels(ready, notes)
        arrays = {}
        if config.resize is not None:
            _check_fits(config.resize, sum(map(len, ready.values())), num_channels)
        for split, images in ready.items():
            resized = _resized(images, config.resize)
            if not isinstance(resized, np.ndarray):
                resized = self._stacked(resized, split, num_channels)
            sizes_N2 = None
            if config.resize is not None:
                given = [image.shape[:2] for image in images]
                sizes_N2 = self.original_sizes.get(split, np.array(given))
            arrays[split] = Arrays(_with_channels(resized, num_channels), original_sizes=sizes_N2)
        sizes = {split: found.x.shape[1:] for split, found in arrays.items()}
        for split, size in sizes.items():
            if size != sizes["train"]:
                height, width = sizes["train"][:2]
                raise SizesDifferError(
                    f"The images of the {split} split of {self.place} are {_size(size)}, those of the "
                    f"training split {_size(sizes['train'])}. "
                    f"{_resize_remedy((height, width), 'that of the training split')}",
                    (height, width),
                )
        return arrays

    def _num_channels(self, ready: Mapping[str, np.ndarray | Sequence[np.ndarray]], notes: Notes) -> int:
        """As many as training and validation images have at most: the test split must not decide it."""
        found = {split: [image.shape[-1] for image in _samples_of(images)] for split, images in ready.items()}
        most = max(number for split, numbers in found.items() if split != "test" for number in numbers)
        grey = Findings()
        for split, numbers in found.items():
            for i, number in enumerate(numbers):
                if number > most:
                    raise DataError(
                        f"{self._name(split, i)} has {number} channels, the images that networks learn from "
                        f"have {most}. Bring all to the same channels."
                    )
                if number < most:
                    grey.of(split).add(GREY, self._name(split, i))
        notes.add(grey)
        notes.learnt += notes_of_channels(most)
        return most

    def _stacked(self, images: Sequence[np.ndarray], split: str, num_channels: int) -> np.ndarray:
        shape = images[0].shape[:2]
        for i, image in enumerate(images):
            if image.shape[:2] != shape:
                first, other = self._name(split, 0), self._name(split, i)
                suggested, why = _suggested_size(images)
                raise SizesDifferError(
                    f"The images of {self.place} differ in size: {first} is {_size(shape)}, {other} is "
                    f"{_size(image.shape)}. {_resize_remedy(suggested, why)}",
                    suggested,
                )
        return np.stack([_with_channels(image, num_channels) for image in images])

    def _name(self, split: str, i: int) -> str:
        return self.names[split][i] if split in self.names else f"image {i} of the {split} split"

    def fit(self, train: Split, config: DatasetConfig) -> Preprocessing:
        """Bytes to 0..1: nothing to fit."""
        return Preprocessing.of_images(train.x.shape[-1])

    def origin(self, config: DatasetConfig) -> Origin:
        """Files or arrays, and the size that all were brought to."""
        size = None if config.resize is None else (config.resize.height, config.resize.width)
        return Origin("image file" if self.are_files else "image array", self.white, size)


_LARGEST_SUGGESTED = 64


def _suggested_size(images: Sequence[np.ndarray]) -> tuple[tuple[int, int], str]:
    """A (height, width) for images that differ, and why: that of more than half of them if there is one, else
    their median. Nothing is suggested that would enlarge most of them.
    """
    (size, number), *_ = Counter(image.shape[:2] for image in images).most_common(1)
    if 2 * number > len(images):
        return (size[0], size[1]), "the size of most of them"
    median = np.median([image.shape[:2] for image in images], axis=0).astype(int).tolist()
    height, width = (min(side, _LARGEST_SUGGESTED) for side in median)
    is_median = [height, width] == median
    return (height, width), f"their median{'' if is_median else f', at most {_LARGEST_SUGGESTED}'}"


def _resize_remedy(size: tuple[int, int], why: str) -> str:
    given = f'{{"width": {size[1]}, "height": {size[0]}}}'
    return f"Bring all to one size with dataset.resize, such as {given}, {why}."


def decode(image: Image.Image, name: str, findings: Findings | None = None) -> np.ndarray:
    """A Pillow image as (h, w, 1 or 3) uint8, turned as its EXIF orientation says.

    What is lost or changed on the way is added to `findings`.

    Raises:
        DataError: more than 8 bits per channel.
    """
    from PIL import ImageOps

    findings = findings or Findings()
    if image.mode not in _MODES:
        raise _too_deep(name, image.mode)
    if _is_deep(image):
        findings.add(REDUCED, name)
    if orientation(image) != 1:
        findings.add(TURNED, name)
    if _is_transparent(image):
        findings.add(DROPPED_ALPHA, name)
    if image.mode in _OTHER_COLOURS:
        findings.add(f"colours of the kind {image.mode} are converted to RGB", name)
    pixels = np.asarray(ImageOps.exif_transpose(image).convert(_MODES[image.mode]))
    if has_more_frames(image):
        findings.add(FIRST_FRAME, name)
    return pixels if pixels.ndim == 3 else pixels[..., None]


TURNED = "turned as their EXIF orientation (tag 274) says"
FIRST_FRAME = "of several frames or pages the first is taken"
DROPPED_ALPHA = (
    "transparency is dropped, so the colours stored under transparent pixels are seen (to have another "
    "background, lay the images on it before)"
)
GREY = "grey among images in colour, so their channel is repeated"
REDUCED = "16 bits per channel are reduced to 8"
STRETCHED = "stretched to dataset.resize, because their sides have another ratio"
_OTHER_COLOURS = frozenset({"CMYK", "YCbCr", "HSV", "LAB"})


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 is upright."""
    from PIL import ExifTags

    found = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found if found in range(1, 9) else 1


def has_more_frames(image: Image.Image) -> bool:
    """Whether more than the first frame or page is in the file; the previews inside a JPEG do not count."""
    try:
        return image.format in ("GIF", "TIFF", "PNG", "WEBP", "AVIF") and bool(
            getattr(image, "is_animated", False)
        )
    except (OSError, EOFError, SyntaxError, ValueError):
        return False  # a first frame that is whole is enough


def _is_deep(image: Image.Image) -> bool:
    """Whether Pillow reads 16 bits per channel as 8; known before the pixels are loaded."""
    for tile in getattr(image, "tile", None) or []:
        options = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any("16" in option for option in options if isinstance(option, str)):
            return True
        if image.format == "PPM" and any(option > 255 for option in options if isinstance(option, int)):
            return True
    return False


def _is_transparent(image: Image.Image) -> bool:
    """Whether any pixel is not opaque."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa"):
        return False
    return bool((np.asarray(image.getchannel(image.getbands()[-1])) < 255).any())


_TO_BYTES = {
    "I": "if it is 65535: Image.fromarray((numpy.asarray(Image.open(OLD)) // 257)",
    "F": "if it is 1: Image.fromarray((numpy.asarray(Image.open(OLD)) * 255).round()",
}
"""By the range of values, not by an image's brightest pixel, which would make all images equally bright."""


def _too_deep(name: str, mode: str) -> DataError:
    return DataError(
        f"{name} has pixels of the kind '{mode}' (more than 8 bits per channel); images of 8 bits are "
        "needed, and what is white is yours to say. Convert all images alike; "
        f"{_TO_BYTES.get(mode[0], _TO_BYTES['F'])}.astype('uint8')).save(NEW)."
    )


def read(path: Path, resize: ResizeConfig | None, findings: Findings | None = None) -> np.ndarray:
    """An image file as (h, w, 1 or 3) uint8, resized if asked for, so that a folder of large photographs fits
    in memory.

    Raises:
        DataError: a file that is no image or is damaged, named in the message.
    """
    return read_sized(path, resize, findings)[0]


def read_sized(
    path: Path, resize: ResizeConfig | None, findings: Findings | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """`read`, and the (height, width) that the image had before it was resized."""
    findings = findings or Findings()
    with opened(path, "image") as image:
        pixels = decode(image, shown(path), findings)
    height, width = pixels.shape[:2]
    if resize is None:
        return pixels, (height, width)
    if height * resize.width != width * resize.height:
        findings.add(STRETCHED, path)
    return resize_image(pixels, resize), (height, width)


@contextmanager
def opened(path: Path, what: str) -> Iterator[Image.Image]:
    """The Pillow image of a file; `what` it is ("image", "mask") in messages.

    Only formats that Pillow reads by itself: some others start programs of the system.

    Raises:
        DataError: a file that is no image or is damaged, from here or when its pixels are read in the block.
    """
    from PIL import Image, UnidentifiedImageError

    by_suffix = _BY_SUFFIX.get(path.suffix.lower())
    try:
        with files.open_binary(path) as stream:
            Image.init()
            formats = [name for name in (*_FORMATS, by_suffix) if name in Image.OPEN]
            if by_suffix not in (None, *formats):
                raise files.UnreadableError(0, f"the installed Pillow reads no {path.suffix} files")
            with Image.open(stream, formats=formats) as image:
                _check_memory(image)
                yield image
        return
    except UnidentifiedImageError:
        is_empty = path.stat().st_size == 0
        reason = "it is empty" if is_empty else "it is no image, or of a format that is not read"
    except Image.DecompressionBombError:
        reason = f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = files.reason(error)
    except _DAMAGED:
        reason = "it is damaged"
    raise DataError(f"The {what} {shown(path)} cannot be read: {reason}. Replace or remove this file.")


# What readers of images raise beside OSError and ValueError where bytes make no sense.
_DAMAGED = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError,
    struct.error, zlib.error,
)  # fmt: skip
_SMALL_PIXELS, _BYTES_PER_PIXEL = 1 << 16, 8
"""Decoded, converted and turned a pixel takes so many bytes for a while; of small images nobody asks."""


def _check_memory(image: Image.Image) -> None:
    """Refuse an image before it is decoded: a small file may unpack to gigabytes."""
    num_pixels = image.size[0] * image.size[1]
    if num_pixels > _SMALL_PIXELS and num_pixels * _BYTES_PER_PIXEL > free_memory():
        raise files.UnreadableError(
            0,
            f"its {image.size[0]}x{image.size[1]} pixels do not fit into the memory that is free "
            f"({files.size_text(free_memory())})",
        )


# Tried by their first bytes, whatever the name; those that have none, or are rare, by their ending.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_BY_SUFFIX = {".tga": "TGA", ".avif": "AVIF", ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".pcx": "PCX"}
_USUAL = "png apng jpg jpeg jpe jfif bmp dib gif tif tiff webp ppm pgm pbm pnm"
SUFFIXES = frozenset(f".{ending}" for ending in _USUAL.split()) | frozenset(_BY_SUFFIX)
"""Endings of the files that are read, in lower case."""


def read_shape(path: Path, findings: Findings | None = None) -> tuple[int, int, int]:
    """The shape (h, w, c) that `read` gives an image file, from its header alone.

    Raises:
        DataError: a file that is no image, or one of more than 8 bits per channel.
    """
    with opened(path, "image") as image:
        if findings is not None and orientation(image) != 1:
            findings.add(TURNED, path)
        is_turned = orientation(image) >= 5
        mode, (width, height) = image.mode, image.size
    if mode not in _MODES:
        raise _too_deep(shown(path), mode)
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


def _check_fits(resize: ResizeConfig, num_images: int, num_channels: int) -> None:
    """Raises DataError if the resized images, which are held twice for a moment, exceed the memory left."""
    needed, free = 2 * num_images * resize.width * resize.height * num_channels, free_memory()
    if needed > free:
        raise DataError(
            f"dataset.resize: {counted(num_images, 'image')} of {resize.width} x {resize.height} take "
            f"{needed / 2**30:.1f} GiB while they are made, and {free / 2**30:.1f} GiB are free. "
            "Give a smaller size."
        )


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


def _size(shape: Sequence[int]) -> str:
    channels = f" with {shape[2]} channel{'s' if shape[2] > 1 else ''}" if len(shape) == 3 else ""
    return f"{shape[1]}x{shape[0]} (width x height){channels}"
