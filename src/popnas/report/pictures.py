"""Pictures for pages: photographs, masks in the colours of their classes, overlays, errors.

Axes: H W height and width, C channels, K classes. A mask value of K or more is an unlabelled pixel.
"""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Sequence

import numpy as np

from popnas.report import markup

COLUMNS = ("image", "truth", "prediction", "error")
"""What stands side by side where predicted masks are shown."""
LARGEST_SIDE = 320
"""Pixels; pages hold many pictures."""
ERROR = np.array([213, 94, 0], np.uint8)
UNLABELLED = (np.array([58, 58, 62], np.uint8), np.array([92, 92, 98], np.uint8))
"""The two tones of the stripes that mean unlabelled: no class has stripes."""
_STRIPE = 4

# Told apart by most readers, side by side and on photographs; further classes take hues between them.
_COLOURS = (
    "#4c9be8", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#8c564b", "#17becf", "#e45756",
    "#9467bd", "#bcbd22", "#1f4e9c", "#ff9da7", "#b3e2a0", "#7f7f7f", "#fdd0a2", "#005f56",
)  # fmt: skip
_GOLDEN = 0.618033988749895


def class_colours(num_classes: int) -> np.ndarray:
    """A colour per class, (K, 3) uint8; those of the first classes are the same for any number."""
    colours = [bytes.fromhex(colour[1:]) for colour in _COLOURS[:num_classes]]
    for number in range(len(colours), num_classes):
        saturation, value = ((0.75, 0.9), (0.45, 0.95), (0.9, 0.6))[number % 3]
        red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, saturation, value)
        colours.append(bytes(round(255 * part) for part in (red, green, blue)))
    return np.array([list(colour) for colour in colours], np.uint8)


def as_rgb(x_HWC: np.ndarray) -> np.ndarray:
    """An image of any number of channels as one to look at: of three the first three, else the first."""
    x_HWC = x_HWC if x_HWC.shape[2] >= 3 else x_HWC[..., [0, 0, 0]]
    return np.ascontiguousarray(x_HWC[..., :3])


def coloured(y_HW: np.ndarray, colours_K3: np.ndarray) -> np.ndarray:
    """A mask in the colours of its classes, (h, w, 3); unlabelled pixels are striped."""
    is_labelled_HW = y_HW < len(colours_K3)
    return np.where(
        is_labelled_HW[..., None], colours_K3[np.where(is_labelled_HW, y_HW, 0)], _stripes(y_HW.shape)
    )


def overlay(
    x_HWC: np.ndarray, y_HW: np.ndarray, colours_K3: np.ndarray, *, share: float = 0.55
) -> np.ndarray:
    """An image under its mask, of whose colour each pixel takes `share`."""
    mixed = as_rgb(x_HWC) * (1 - share) + coloured(y_HW, colours_K3) * share
    return mixed.round().astype(np.uint8)


def error(x_HWC: np.ndarray, y_HW: np.ndarray, predicted_HW: np.ndarray, num_classes: int) -> np.ndarray:
    """Where a prediction is wrong: vermilion on the image in pale grey; unlabelled pixels are striped."""
    grey_HW1 = as_rgb(x_HWC).mean(axis=2, keepdims=True)
    shown = np.broadcast_to((140 + 0.4 * grey_HW1).astype(np.uint8), (*y_HW.shape, 3))
    shown = np.where((y_HW != predicted_HW)[..., None], ERROR, shown)
    return np.where((y_HW < num_classes)[..., None], shown, _stripes(y_HW.shape))


def shrunk(pixels: np.ndarray, *, is_smooth: bool, largest: int = LARGEST_SIDE) -> np.ndarray:
    """Pixels (h, w, 3) at a size for pages; labels' colours are picked (not `is_smooth`), never mixed."""
    from PIL import Image

    scale = largest / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = Image.Resampling.BOX if is_smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize(size, how))


def png(pixels: np.ndarray) -> bytes:
    """An RGB picture (h, w, 3) uint8 as the bytes of a PNG file, with a palette where 256 colours will do."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if image.getcolors(256) is not None:
        image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    stream = io.BytesIO()
    image.save(stream, "png", optimize=True)
    return stream.getvalue()


def montage(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Pictures in rows and columns as one on white; each place has the size of the largest."""
    height = max(picture.shape[0] for row in rows for picture in row)
    width = max(picture.shape[1] for row in rows for picture in row)
    num_columns, gap = len(rows[0]), max(1, width // 50)
    canvas = np.full(
        (len(rows) * (height + gap) - gap, num_columns * (width + gap) - gap, 3), 255, dtype=np.uint8
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def image_html(data: bytes, words: str) -> str:
    """A PNG inside the page; `words` say what it shows."""
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return f'<img width="{width}" height="{height}" alt="{markup.text(words)}" src="{source}">'


def columns_html() -> str:
    """The headings of `COLUMNS`."""
    return f'<div class="masks head">{"".join(f"<span>{name}</span>" for name in COLUMNS)}</div>'


def swatch(colour: Sequence[int] | np.ndarray | None) -> str:
    """A small square of a class's colour; of stripes for unlabelled pixels (None)."""
    if colour is None:
        dark, light = ("rgb({},{},{})".format(*tone) for tone in UNLABELLED)
        fill = f"repeating-linear-gradient(135deg,{dark} 0 3px,{light} 3px 6px)"
    else:
        fill = "rgb({},{},{})".format(*colour)
    return f'<span class="swatch" style="background:{fill}"></span>'


def legend(names: Sequence[str], colours_K3: np.ndarray, *, has_unlabelled: bool) -> str:
    """Which colour is which class."""
    items = [f"{swatch(colour)}{name}" for name, colour in zip(markup.names(names), colours_K3, strict=True)]
    items += [f"{swatch(None)}unlabelled"] * has_unlabelled
    return f'<p class="legend">{"".join(f"<span>{item}</span>" for item in items)}</p>'


def _stripes(shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = np.indices(shape)
    is_dark_HW = ((rows + columns) // _STRIPE) % 2 == 0
    return np.where(is_dark_HW[..., None], *UNLABELLED)
