"""Masks: reading their files.

A mask holds one label per pixel. Grey and indexed PNG files hold labels as they are (an indexed one its
indices, whatever colours they have, a grey one of 1, 2 or 4 bits its stored values, 16 bits all of them).
Colours are labels only through a table.
"""

from __future__ import annotations

import csv
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas import files
from popnas.command_lines import as_typed
from popnas.datasets.findings import Findings, shown
from popnas.datasets.images import decoding
from popnas.errors import DataError
from popnas.printable import quoted

if TYPE_CHECKING:
    from PIL import Image

IGNORED = 255
"""The class index of pixels that count neither in the loss nor in the metrics."""
NUM_LABELS = 2**16
"""Labels lie below this."""

_RGB = ("--masks", "rgb", "--colors", "TABLE")
COLOUR_FILE = "colors.csv"
_NUMBER = "[0-9]{1,9}"
_COLOUR_RULE = "rows of red,green,blue,label (0..255 each colour; a first row of headings is allowed)"
_LOSSY = frozenset({".jpg", ".jpeg", ".webp"})
# Pillow stretches grey of 2 and 4 bits to 0..255; labels must be as they are stored.
_STRETCH = {2: 85, 4: 17}


class ColourTable:
    """Which colour is which label; `unlisted` is the label of all others, None if there must be none."""

    def __init__(
        self, labels: Mapping[tuple[int, int, int], int], place: str, unlisted: int | None = None
    ) -> None:
        self.place, self.unlisted = place, unlisted
        codes = np.array([_code(np.array(colour)) for colour in labels], dtype=np.int64)
        order = np.argsort(codes)
        self._codes, self._labels = codes[order], np.array(list(labels.values()), dtype=np.uint16)[order]

    @staticmethod
    def read(path: Path) -> ColourTable:
        """A CSV file of red, green, blue, label.

        Raises:
            DataError: no such file, a row that is none, one colour with two labels.
        """
        try:
            rows = list(csv.reader(files.read_text(path).splitlines()))
        except (OSError, csv.Error) as error:
            reason = "a line of it is too long" if isinstance(error, csv.Error) else files.reason(error)
            raise DataError(f"The colour table {quoted(path)} cannot be read: {reason}.") from error
        labels: dict[tuple[int, int, int], int] = {}
        for number, row in enumerate(rows, start=1):
            fields = [field.strip() for field in row]
            if not any(fields) or (number == 1 and not any(re.fullmatch(_NUMBER, field) for field in fields)):
                continue
            entry = textwrap.shorten(",".join(row), 60)
            if len(fields) < 4 or not all(re.fullmatch(_NUMBER, field) for field in fields[:4]):
                raise DataError(
                    f"{quoted(path)}, line {number}: '{entry}' is no entry; needed: {_COLOUR_RULE}."
                )
            red, green, blue, label = map(int, fields[:4])
            if max(red, green, blue) > 255 or label >= NUM_LABELS:
                raise DataError(f"{quoted(path)}, line {number}: '{entry}' is out of range: {_COLOUR_RULE}.")
            if labels.setdefault((red, green, blue), label) != label:
                raise DataError(
                    f"{quoted(path)}, line {number}: the colour {red},{green},{blue} has two labels."
                )
        if not labels:
            raise DataError(f"The colour table {quoted(path)} is empty; needed: {_COLOUR_RULE}.")
        return ColourTable(labels, str(path))

    def labels(self, pixels_HWC: np.ndarray, name: str) -> np.ndarray:
        """(h, w, 3) colours to (h, w) labels.

        Raises:
            DataError: a colour that is not in the table.
        """
        codes_HW = _code(pixels_HWC[..., :3])
        places_HW = np.searchsorted(self._codes, codes_HW).clip(max=len(self._codes) - 1)
        is_unknown_HW = self._codes[places_HW] != codes_HW
        if is_unknown_HW.any() and self.unlisted is None:
            unknown = np.unique(pixels_HWC[is_unknown_HW][:, :3], axis=0)
            shown = "; ".join(",".join(map(str, colour)) for colour in unknown[:4].tolist())
            share = is_unknown_HW.mean()
            raise DataError(
                f"The mask {name} has {len(unknown)} colour{'s' if len(unknown) > 1 else ''} that "
                f"{self.place} does not list: {shown}{'; ...' if len(unknown) > 4 else ''} ({share:.1%} of "
                "its pixels). Add them to the table; or, if they come from a lossy or smoothed copy, take "
                f"the original masks; or, if they mean unlabelled, build the data set with "
                f"`{_converter('--ignore', 'LABEL')}`, which gives them that label."
            )
        labels_HW = self._labels[places_HW]
        return labels_HW if self.unlisted is None else np.where(is_unknown_HW, self.unlisted, labels_HW)


def _code(colours: np.ndarray) -> np.ndarray:
    """(..., 3) colours as one number each."""
    return colours.astype(np.int64) @ np.array([65536, 256, 1])


def read_mask(
    path: Path,
    colours: ColourTable | None = None,
    channel: int | None = None,
    *,
    is_grey_a_colour: bool = False,
    findings: Findings | None = None,
) -> np.ndarray:
    """A mask file as labels (h, w), uint8 or uint16, turned as its EXIF orientation says, as its image is.

    `colours` translates an RGB mask; `channel` takes one of its channels instead. A grey file holds labels,
    or with `is_grey_a_colour` colours of three equal parts: programs that save space write RGB masks so.

    Raises:
        DataError: a file that is no mask, is damaged, or needs a table or channel that is not given.
    """
    from PIL import ImageOps

    if path.suffix.lower() in _LOSSY:
        raise DataError(
            f"The mask {shown(path)} is a {path.suffix[1:]} file, whose compression changes labels. Save "
            "masks as PNG."
        )
    findings = findings or Findings()
    with decoding.opened(path, "mask") as image:
        mode, depth = image.mode, _grey_depth(path)
        pixels = _pixels(image, shown(path), findings)
        if colours is not None and (mode == "P" or (is_grey_a_colour and mode in ("1", "L", "LA"))):
            return colours.labels(np.asarray(ImageOps.exif_transpose(image).convert("RGB")), shown(path))
    if mode in ("RGB", "RGBA", "RGBX"):
        return _of_colours(pixels, path, colours, channel)
    if channel is not None:
        raise DataError(
            f"The mask {shown(path)} has one channel (mode {mode}), so channel {channel} cannot be taken "
            "from it. Leave out the channel: its values are labels as they are."
        )
    return _of_values(pixels, mode, depth, path)


def _pixels(image: Image.Image, name: str, findings: Findings) -> np.ndarray:
    """The stored values, upright; what is turned or left out is found."""
    from PIL import ImageOps

    if decoding.orientation(image) != 1:
        findings.add(decoding.TURNED, name)
    pixels = np.asarray(ImageOps.exif_transpose(image))
    if image.mode in ("LA", "PA", "RGBA") and (pixels[..., -1] < 255).any():
        findings.add("masks have transparency, which says nothing of labels and is dropped", name)
    if decoding.has_more_frames(image):
        findings.add(decoding.FIRST_FRAME, name)
    return pixels


def _of_colours(
    pixels: np.ndarray, path: Path, colours: ColourTable | None, channel: int | None
) -> np.ndarray:
    if channel is not None:
        return np.ascontiguousarray(pixels[..., channel])
    if colours is not None:
        return colours.labels(pixels, str(path))
    raise DataError(
        f"The mask {shown(path)} is in colours, and nothing says which colour is which class. Put a file "
        f"{COLOUR_FILE} into the data's folder ({_COLOUR_RULE}), or build the data set with "
        f"`{_converter(*_RGB)}`; if one channel holds the labels, with "
        f"`{_converter('--masks', 'red')}`."
    )


def labels_of_image(image: Image.Image, name: str, findings: Findings | None = None) -> np.ndarray:
    """A decoded mask of one channel as labels (h, w).

    Raises:
        DataError: colours, or no whole numbers.
    """
    if image.mode in ("RGB", "RGBA", "RGBX"):
        raise DataError(
            f"The mask {name} is in colours, and nothing says which colour is which class. Save images and "
            f"masks as files and build the data set with `{_converter(*_RGB)}`."
        )
    return _of_values(_pixels(image, name, findings or Findings()), image.mode, None, name)


def _of_values(pixels: np.ndarray, mode: str, depth: int | None, path: Path | str) -> np.ndarray:
    if mode in ("LA", "PA"):
        pixels = pixels[..., 0]
    elif mode not in ("1", "L", "P") and not (mode.startswith("I") and pixels.ndim == 2):
        raise DataError(
            f"The mask {shown(path)} has pixels of the kind '{mode}'; masks are grey or indexed PNG files of "
            "whole numbers (1 to 16 bits), one label per pixel. If it holds such numbers, write it anew with "
            "Image.fromarray(numpy.asarray(Image.open(OLD)).astype('uint8')).save('NEW.png')."
        )
    if mode == "L" and depth in _STRETCH:
        return pixels // _STRETCH[depth]
    if mode.startswith("I") and pixels.size and not 0 <= pixels.min() <= pixels.max() < NUM_LABELS:
        raise DataError(
            f"The mask {shown(path)} holds values of {pixels.min()}..{pixels.max()}; labels lie in "
            f"0..{NUM_LABELS - 1}."
        )
    return pixels.astype(np.uint16 if mode.startswith("I") else np.uint8)


def _grey_depth(path: Path) -> int | None:
    """Bits per pixel of a grey PNG file, from its header; None for others."""
    with files.open_binary(path) as file:
        header = file.read(26)
    is_grey_png = header[:8] == b"\x89PNG\r\n\x1a\n" and header[25] == 0
    return header[24] if is_grey_png else None


def _converter(*options: str) -> str:
    return as_typed("dataset", "segmentation", *options)
