"""Image and mask files to the `.npz` files that segmentation is trained from, one per split.

Two passes: the first reads every mask and the headers of all images, so that whatever is wrong is said before
anything is written; the second reads one pair after the other and writes it, so that the data need not fit
into memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from popnas.datasets.findings import Findings, Mistakes, explained, shown
from popnas.datasets.images import decoding
from popnas.datasets.layouts import LABEL_NAMES
from popnas.datasets.masks.classes import count_labels, listed
from popnas.datasets.masks.geometry import Geometry, Size
from popnas.datasets.masks.mask_files import ColourTable, read_mask
from popnas.datasets.masks.npz_writing import NpzWriter, npz_writer
from popnas.datasets.sources.segmentation_folders import paired, turned_alone, with_channels
from popnas.errors import DataError, UserError
from popnas.events import Listen, PhaseStarted, Warned, nobody
from popnas.printable import counted, quoted
from popnas.resources import available_cores
from popnas.storage import write_text

Folders = Mapping[str, tuple[Path, Path]]
"""Image and mask folder of each split."""
CHANNELS = {"red": 0, "green": 1, "blue": 2}
_READ_AHEAD = 8
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class MaskReading:
    """How mask files become labels.

    `colours` translates RGB masks, `channel` takes one of their channels, neither takes values as they are.
    `num_classes` labels from 0 and `ignore`, the label of unlabelled pixels, are then all that masks may
    hold; None for any.
    """

    colours: ColourTable | None = None
    channel: int | None = None
    num_classes: int | None = None
    ignore: int | None = None

    def read(self, path: Path, findings: Findings | None = None) -> np.ndarray:
        """A mask file as labels (h, w); what is turned or dropped is added to `findings`.

        Raises:
            DataError: no mask, a colour or a value that is no label.
        """
        y_HW = read_mask(
            path,
            self.colours,
            self.channel,
            is_grey_a_colour=self.colours is not None,
            findings=findings,
        )
        if self.num_classes is not None:
            self._check(y_HW, path, self.num_classes)
        return y_HW

    def _check(self, y_HW: np.ndarray, path: Path, num_classes: int) -> None:
        labels, counts = count_labels(y_HW)
        is_wrong = (labels >= num_classes) & (labels != (-1 if self.ignore is None else self.ignore))
        if is_wrong.any():
            ignored = "" if self.ignore is None else f", and {self.ignore} for unlabelled"
            raise DataError(
                f"The mask {quoted(path)} holds the values {listed(labels[is_wrong])} "
                f"({counts[is_wrong].sum() / y_HW.size:.1%} of its pixels); with {num_classes} classes "
                f"labels are 0 to {num_classes - 1}{ignored}. Name the value that means unlabelled with "
                "`ignore`, give the number of classes with `num_classes`, or mend the mask."
            )


@dataclass
class BuiltSplit:
    """A split as it was written: its file, the sizes of its images (n, 2), and pixels by label."""

    name: str
    path: Path
    sizes: np.ndarray
    pixels: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scanned:
    """The pairs of a split and what is known before they are written."""

    name: str
    pairs: list[tuple[Path, Path]]
    sizes: list[Size]
    num_channels: int
    dtype: np.dtype
    pixels: dict[int, int]


def build(
    folders: Folders,
    output: Path,
    reading: MaskReading,
    geometry: Geometry,
    *,
    class_names: Sequence[str] | None = None,
    replaces: bool = False,
    tell: Listen = nobody,
) -> list[BuiltSplit]:
    """Write `output`/SPLIT.npz for each split, and `classes.txt` if there are `class_names`.

    Raises:
        UserError: a file of that name exists, and not `replaces`.
        DataError: images and masks that do not go together, or are damaged.
        StorageError: the disk refused.
    """
    files = {split: output / f"{split}.npz" for split in folders}
    names_file = output / LABEL_NAMES
    _check_new([*files.values(), *([names_file] if class_names else [])], replaces)
    scanned, mistakes, findings = [], Mistakes(), Findings()
    for split, (image_folder, mask_folder) in folders.items():
        tell(PhaseStarted(f"reading masks: {quoted(mask_folder)}"))
        with mistakes.held():
            pairs = paired(image_folder, mask_folder, findings, mistakes)
            if pairs:
                scanned.append(_scan(split, pairs, reading, geometry, findings))
    with explained(findings):
        mistakes.check()
    num_channels = max(part.num_channels for part in scanned)
    built = []
    for part in scanned:
        file = files[part.name]
        tell(PhaseStarted(f"writing {counted(len(part.pairs), 'image')}: {quoted(file)}"))
        with npz_writer(file) as writer:
            _write(writer, part, reading, geometry, num_channels, findings)
        built.append(BuiltSplit(part.name, file, np.array(part.sizes), part.pixels))
    if class_names:
        write_text(names_file, "".join(f"{name}\n" for name in class_names))
    for sentence in findings.notes().warnings():
        tell(Warned(sentence))
    return built


def _check_new(files: Sequence[Path], replaces: bool) -> None:
    existing = [str(file) for file in files if file.exists()]
    if existing and not replaces:
        raise UserError(
            f"{', '.join(existing)} exist{'s' * (len(existing) == 1)}. Give another folder with "
            "`output`, or replace what is there with `replaces`."
        )


def _scan(
    split: str, pairs: list[tuple[Path, Path]], reading: MaskReading, geometry: Geometry, findings: Findings
) -> _Scanned:
    """Check each pair; sizes, channels and label type of what will be written."""
    sizes: list[Size] = []
    pixels: dict[int, int] = {}
    num_channels = 1

    def look(pair: tuple[Path, Path]) -> tuple[int, Size, tuple[np.ndarray, np.ndarray]]:
        seen = Findings()
        y_HW, shape = reading.read(pair[1], seen), decoding.read_shape(pair[0], seen)
        remark = turned_alone([pair], seen).get(shown(pair[1]))
        _check_sizes(pair, shape[:2], y_HW.shape, remark)
        if remark is not None:
            findings.add(f"masks may not lie on their images: {remark}", pair[1])
        return shape[2], geometry.size(*shape[:2], str(pair[0])), count_labels(geometry.of_mask(y_HW))

    mistakes = Mistakes()
    for pair, looked in zip(pairs, _ahead(partial(_attempt, look), pairs), strict=True):
        if isinstance(looked, DataError):
            mistakes.add(str(looked), pair[1])
            continue
        channels, size, counts = looked
        sizes.append(size)
        num_channels = max(num_channels, channels)
        for label, count in zip(*(found.tolist() for found in counts), strict=True):
            pixels[label] = pixels.get(label, 0) + count
    mistakes.check()
    dtype = np.dtype(np.uint8 if max(pixels) < 256 else np.uint16)
    return _Scanned(split, pairs, sizes, num_channels, dtype, dict(sorted(pixels.items())))


def _attempt(look: Callable[[Item], Result], item: Item) -> Result | DataError:
    try:
        return look(item)
    except DataError as error:
        return error


def _check_sizes(
    pair: tuple[Path, Path], image: Sequence[int], mask: Sequence[int], remark: str | None
) -> None:
    if tuple(image) != tuple(mask):
        told = "" if remark is None else f" ({remark})"
        raise DataError(
            f"The mask {pair[1]} is {mask[1]}x{mask[0]} (width x height), its image {pair[0]} is "
            f"{image[1]}x{image[0]}{told}; they must be of one size. Replace the mask, or remove both."
        )


def _write(
    writer: NpzWriter,
    split: _Scanned,
    reading: MaskReading,
    geometry: Geometry,
    num_channels: int,
    findings: Findings,
) -> None:
    def image(pair: tuple[Path, Path]) -> np.ndarray:
        x_HWC = decoding.read(pair[0], None, findings)
        if x_HWC.shape[2] != num_channels:
            findings.add(decoding.GREY, pair[0])
        return geometry.of_image(with_channels(x_HWC, num_channels))

    def mask(pair: tuple[Path, Path]) -> np.ndarray:
        return geometry.of_mask(reading.read(pair[1], findings)).astype(split.dtype, copy=False)

    if len(set(split.sizes)) == 1:
        shape = (len(split.pairs), *split.sizes[0])
        writer.write_stacked("x", _ahead(image, split.pairs), (*shape, num_channels), np.uint8)
        writer.write_stacked("y", _ahead(mask, split.pairs), shape, split.dtype)
        return
    for i, (x_HWC, y_HW) in enumerate(_ahead(lambda pair: (image(pair), mask(pair)), split.pairs)):
        writer.write(f"x_{i}", x_HWC)
        writer.write(f"y_{i}", y_HW)


def _ahead(read: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`read` of all items in order, a few of them ahead in threads: a whole `map` would fill the memory."""
    with ThreadPoolExecutor(len(available_cores())) as threads:
        pending: deque[Future[Result]] = deque()
        for item in items:
            pending.append(threads.submit(read, item))
            if len(pending) > _READ_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
