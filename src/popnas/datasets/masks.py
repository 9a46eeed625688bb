"""Masks: reading their files, and which of their values is which class.

A mask holds one label per pixel. Grey and indexed PNG files hold labels as they are (an indexed one its
indices, whatever colours they have, a grey one of 1, 2 or 4 bits its stored values, 16 bits all of them).
Colours are labels only through a table.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas.errors import DataError, nearest

IGNORED = 255
"""The class index of pixels that count neither in the loss nor in the metrics."""
MAX_CLASSES = 255
NUM_LABELS = 2**16
"""Labels lie below this."""

COLOUR_FILE = "colors.csv"
_COLOUR_RULE = "rows of red,green,blue,label (0..255 each colour; a first row of headings is allowed)"
_CONVERTER = "popnas dataset segmentation"
_LOSSY = frozenset({".jpg", ".jpeg", ".webp"})
# Pillow stretches grey of 2 and 4 bits to 0..255; labels must be as they are stored.
_STRETCH = {2: 85, 4: 17}


class ColourTable:
    """Which colour is which label."""

    def __init__(self, labels: Mapping[tuple[int, int, int], int], place: str) -> None:
        self.place = place
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
            rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"The colour table {path} cannot be read: {error}.") from error
        labels: dict[tuple[int, int, int], int] = {}
        for number, row in enumerate(rows, start=1):
            fields = [field.strip() for field in row]
            if not any(fields) or (number == 1 and not any(re.fullmatch(r"\d+", field) for field in fields)):
                continue
            if len(fields) < 4 or not all(re.fullmatch(r"\d+", field) for field in fields[:4]):
                raise DataError(
                    f"{path}, line {number}: '{','.join(row)}' is no entry; needed: {_COLOUR_RULE}."
                )
            red, green, blue, label = map(int, fields[:4])
            if max(red, green, blue) > 255 or label >= NUM_LABELS:
                raise DataError(f"{path}, line {number}: '{','.join(row)}' is out of range: {_COLOUR_RULE}.")
            if labels.setdefault((red, green, blue), label) != label:
                raise DataError(f"{path}, line {number}: the colour {red},{green},{blue} has two labels.")
        if not labels:
            raise DataError(f"The colour table {path} is empty; needed: {_COLOUR_RULE}.")
        return ColourTable(labels, str(path))

    def labels(self, pixels_HWC: np.ndarray, name: str) -> np.ndarray:
        """(h, w, 3) colours to (h, w) labels.

        Raises:
            DataError: a colour that is not in the table.
        """
        codes_HW = _code(pixels_HWC[..., :3])
        places_HW = np.searchsorted(self._codes, codes_HW).clip(max=len(self._codes) - 1)
        is_unknown_HW = self._codes[places_HW] != codes_HW
        if is_unknown_HW.any():
            unknown = np.unique(pixels_HWC[is_unknown_HW][:, :3], axis=0)
            shown = "; ".join(",".join(map(str, colour)) for colour in unknown[:4].tolist())
            share = is_unknown_HW.mean()
            raise DataError(
                f"The mask {name} has {len(unknown)} colour{'s' if len(unknown) > 1 else ''} that "
                f"{self.place} does not list: {shown}{'; ...' if len(unknown) > 4 else ''} ({share:.1%} of "
                "its "
                "pixels). Add them to the table, or, if they come from a lossy or smoothed copy, take the "
                "original masks."
            )
        return self._labels[places_HW]


def _code(colours: np.ndarray) -> np.ndarray:
    """(..., 3) colours as one number each."""
    return colours.astype(np.int64) @ np.array([65536, 256, 1])


def read_mask(path: Path, colours: ColourTable | None = None, channel: int | None = None) -> np.ndarray:
    """A mask file as labels (h, w), uint8 or uint16.

    `colours` translates an RGB mask; `channel` takes one of its channels instead.

    Raises:
        DataError: a file that is no mask, is damaged, or needs a table or channel that is not given.
    """
    from PIL import Image

    if path.suffix.lower() in _LOSSY:
        raise DataError(
            f"The mask {path} is a {path.suffix[1:]} file, whose compression changes labels. Save masks as "
            "PNG."
        )
    try:
        with Image.open(path) as image:
            mode, depth = image.mode, _grey_depth(path)
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"The mask {path} cannot be read: {error}. Replace or remove this file.") from error
    if mode in ("RGB", "RGBA", "RGBX"):
        return _of_colours(pixels, path, colours, channel)
    if channel is not None:
        raise DataError(
            f"The mask {path} has one channel (mode {mode}), so channel {channel} cannot be taken from it. "
            "Leave out the channel: its values are labels as they are."
        )
    if mode == "P" and colours is not None:
        return colours.labels(_palette_colours(path), str(path))
    return _of_values(pixels, mode, depth, path)


def _of_colours(
    pixels: np.ndarray, path: Path, colours: ColourTable | None, channel: int | None
) -> np.ndarray:
    if channel is not None:
        return np.ascontiguousarray(pixels[..., channel])
    if colours is not None:
        return colours.labels(pixels, str(path))
    raise DataError(
        f"The mask {path} is in colours, and nothing says which colour is which class. Put a file "
        f"{COLOUR_FILE} into the data's folder ({_COLOUR_RULE}), or build the data set with "
        f"`{_CONVERTER} --masks rgb --colors TABLE`; if one channel holds the labels, with `--masks red`."
    )


def _of_values(pixels: np.ndarray, mode: str, depth: int | None, path: Path) -> np.ndarray:
    if mode in ("LA", "PA"):
        pixels = pixels[..., 0]
    elif mode not in ("1", "L", "P") and not (mode.startswith("I") and pixels.ndim == 2):
        raise DataError(
            f"The mask {path} has pixels of the kind '{mode}'; masks are grey or indexed PNG files of whole "
            "numbers (1 to 16 bits), one label per pixel."
        )
    if mode == "L" and depth in _STRETCH:
        return pixels // _STRETCH[depth]
    if mode.startswith("I") and pixels.size and not 0 <= pixels.min() <= pixels.max() < NUM_LABELS:
        raise DataError(
            f"The mask {path} holds values of {pixels.min()}..{pixels.max()}; labels lie in "
            f"0..{NUM_LABELS - 1}."
        )
    return pixels.astype(np.uint16 if mode.startswith("I") else np.uint8)


def _grey_depth(path: Path) -> int | None:
    """Bits per pixel of a grey PNG file, from its header; None for others."""
    with path.open("rb") as file:
        header = file.read(26)
    is_grey_png = header[:8] == b"\x89PNG\r\n\x1a\n" and header[25] == 0
    return header[24] if is_grey_png else None


def _palette_colours(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# --- labels and classes


def count_labels(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a mask, sorted, and the number of pixels of each."""
    counts = np.bincount(mask.ravel(), minlength=1)
    labels = np.flatnonzero(counts)
    return labels, counts[labels]


@dataclass(frozen=True)
class MaskClasses:
    """Which label is which class: `index_of` (labels,) uint8 holds class indices, `IGNORED` for the rest."""

    index_of: np.ndarray
    is_known: np.ndarray
    names: list[str]

    def encode(self, mask: np.ndarray) -> np.ndarray:
        """Labels (h, w) or (n, h, w) to class indices, uint8."""
        return self.index_of[mask]


def find_classes(
    found: Mapping[str, np.ndarray],
    *,
    place: str,
    classes_count: int | None,
    ignore_class: int | None,
    remapping: Mapping[str, int] | None,
    label_names: Sequence[str] | None,
    notes: list[str],
) -> MaskClasses:
    """The classes of a data set whose masks hold the labels `found` (sorted, by split).

    Labels that `remapping` names are replaced first. The ignored label is never a class. With
    `classes_count` N the classes are the labels 0 to N-1 without the ignored one, else the labels that occur
    in training masks, sorted.

    Raises:
        DataError: fewer than two classes, more than 255, or a remapping of labels that do not occur. Labels
            that are no class are found where masks are counted (`is_known`).
    """
    target = np.arange(NUM_LABELS)
    occurring = np.unique(np.concatenate(list(found.values())))
    for label, new in (remapping or {}).items():
        if label not in map(str, occurring.tolist()):
            known = [str(value) for value in occurring.tolist()]
            raise DataError(
                f"dataset.class_labels_remapping names the label '{label}', which does not occur in the "
                "masks "
                f"of {place}.{nearest(label, known)} Its labels are: {listed(occurring)}."
            )
        target[int(label)] = new
    in_training = set(target[found["train"]].tolist())
    if ignore_class is not None and ignore_class not in set(target[occurring].tolist()):
        notes.append(f"dataset.ignore_class {ignore_class} occurs in no mask")
    labels = _class_labels(in_training, classes_count, ignore_class, notes)
    if not 2 <= len(labels) <= MAX_CLASSES:
        raise DataError(
            f"The training masks of {place} hold {len(labels)} class{'es' * (len(labels) != 1)} "
            f"({listed(labels)}), and 2 to {MAX_CLASSES} are needed. "
            + ("Masks that were smoothed when they were resized have such values." if len(labels) > 2 else "")
        )
    by_label = np.full(NUM_LABELS, IGNORED, dtype=np.uint8)
    by_label[labels] = np.arange(len(labels))
    is_known = np.zeros(NUM_LABELS, dtype=bool)
    is_known[labels] = True
    if ignore_class is not None:
        is_known[ignore_class] = True
    return MaskClasses(
        by_label[target],
        is_known[target],
        _names(labels, target, occurring, label_names, is_remapped=bool(remapping)),
    )


def _class_labels(
    in_training: set[int], classes_count: int | None, ignore_class: int | None, notes: list[str]
) -> list[int]:
    if classes_count is None:
        labels = sorted(in_training - {ignore_class})
        if len(labels) > 2 and labels[-1] == 255 and labels[-2] < 254:
            notes.append(
                "the mask value 255 counts as a class; if it means unlabelled, set dataset.ignore_class to "
                "255"
            )
        return labels
    if ignore_class is not None and ignore_class < classes_count:
        notes.append(
            f"dataset.ignore_class {ignore_class} is one of the {classes_count} labels of "
            "dataset.classes_count: "
            f"it is no class, so the network tells {classes_count - 1} classes apart"
        )
    return [label for label in range(classes_count) if label != ignore_class]


def _names(
    labels: Sequence[int],
    target: np.ndarray,
    occurring: np.ndarray,
    label_names: Sequence[str] | None,
    *,
    is_remapped: bool,
) -> list[str]:
    def name(label: int) -> str:
        return label_names[label] if label_names is not None and label < len(label_names) else str(label)

    if not is_remapped:
        return [name(label) for label in labels]
    sources = {label: [name(int(v)) for v in occurring if target[v] == label] for label in labels}
    return ["/".join(sources[label]) or str(label) for label in labels]


def listed(labels: Sequence[int] | np.ndarray, limit: int = 12) -> str:
    """Labels for a message: `0, 1, 2, ... (300 in all)`."""
    shown = ", ".join(str(label) for label in list(labels)[:limit])
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > limit else "") if len(labels) else "none"
