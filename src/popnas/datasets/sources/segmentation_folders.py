"""Images and masks as files: SPLIT/images/STEM.* and SPLIT/masks/STEM.png, or SPLIT/STEM.* and
SPLITannot/STEM.png as SegNet's data have them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from popnas import files
from popnas.datasets import layouts
from popnas.datasets.findings import Findings, Mistakes, explained, numbered, read_all, shown
from popnas.datasets.images import decoding
from popnas.datasets.masks.mask_files import COLOUR_FILE, ColourTable, read_mask
from popnas.datasets.masks.segmentation import SegmentationData
from popnas.datasets.ragged import Ragged, Stored
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.errors import DataError, nearest
from popnas.files import is_folder
from popnas.printable import quoted


@SOURCES.register("segmentation_folders", description="image and mask files in folders at dataset.path")
class SegmentationFolders(Source):
    """Folders `train`, `validation`, `test`, each with `images` and `masks` of equal stems; or of images,
    with their masks in a folder beside it whose name ends in `annot`.

    `classes.txt` beside them names the labels; `colors.csv` says which colour of RGB masks is which label.
    """

    tasks = frozenset({"image_segmentation"})
    layout = (
        "a folder train (and validation, test) with folders images and masks (PNG) of equally named files"
    )

    def recognizes(self, path: Path) -> bool:
        """A folder with a split's folder that has `images` and `masks`, or `annot` beside it."""
        return bool(found_splits(path))

    def nearly(self, path: Path) -> str | None:
        """Folders of images and masks that lie in no split's folder, or a split's folder itself."""
        pair = layouts.pair_folders(path) if is_folder(path) else None
        if pair is None:
            return None
        names = " and ".join(shown(folder.name) for folder in pair)
        return layouts.above_split(path) or (
            f"it looks like images and masks without splits: move {names} below {shown(path / 'train')}, a "
            "share of them is taken for validation"
        )

    def read(self, request: Request) -> SegmentationData:
        """All images and masks; from disk one by one if they are not to be kept."""
        path = request.path
        assert path is not None
        if "train" not in layouts.split_folders(path):
            raise DataError(
                f"{quoted(path)} (dataset.path) has no training split: there is no folder train. Looked for: "
                f"{self.layout}."
            )
        findings, mistakes = Findings(), Mistakes()
        pairs = _pairs(path, request.splits, findings, mistakes)
        is_known_before = bool(mistakes)
        colours = ColourTable.read(path / COLOUR_FILE) if files.is_named(path / COLOUR_FILE) else None
        read_one = partial(read_mask, colours=colours)
        stored = {}
        for split, found in pairs.items():
            if found:
                with mistakes.held(files_of=split):
                    stored[split] = read_pairs(found, read_one, request.is_cached, findings.of(split))
        # What was passed over may explain a mask that is missing, not a broken file.
        with explained(findings if is_known_before else Findings()):
            mistakes.check()
        return SegmentationData(
            place=quoted(path),
            images={split: pictures for split, (pictures, _) in stored.items()},
            masks={split: masks for split, (_, masks) in stored.items()},
            names={split: [shown(mask) for _, mask in found] for split, found in pairs.items()},
            label_names=layouts.label_names(path),
            findings=findings,
            remarks=turned_alone([pair for found in pairs.values() for pair in found], findings),
            are_files=True,
        )


def found_splits(path: Path) -> dict[str, tuple[Path, Path]]:
    """Image and mask folder of each split that lies below `path` in this layout."""
    found = {split: layouts.place_of_pairs(folder) for split, folder in layouts.split_folders(path).items()}
    return {split: place for split, place in found.items() if place is not None}


def _pairs(
    path: Path, splits: Sequence[str], findings: Findings, mistakes: Mistakes
) -> dict[str, list[tuple[Path, Path]]]:
    """The pairs of each split that is asked for; what lies beside them is found."""
    folders = layouts.split_folders(path)
    places = {split: layouts.place_of_pairs(folder) for split, folder in folders.items()}
    used = [part for place in places.values() if place is not None for part in place]
    layouts.unused(path, [*folders.values(), *used], findings)
    for place in places.values():
        if place is not None and place[0].parent != path:
            layouts.unused(place[0].parent, place, findings)
    pairs = {}
    for split in splits:
        if split in folders:
            with mistakes.held():
                place = _expected(folders[split], places[split])
                pairs[split] = paired(*place, findings.of(split), mistakes)
    return pairs


def _expected(folder: Path, place: tuple[Path, Path] | None) -> tuple[Path, Path]:
    return place or (folder / "images", folder / "masks")


def paired(
    image_folder: Path, mask_folder: Path, findings: Findings, mistakes: Mistakes
) -> list[tuple[Path, Path]]:
    """(image, mask) files of equal stems, in order of name; an image without mask and a mask without image
    are added to `mistakes`.

    Raises:
        DataError: a missing folder, two files of one stem.
    """
    images_by_stem, masks_by_stem = _by_stem(image_folder, findings), _by_stem(mask_folder, findings)
    for have, lack, what, other in (
        (images_by_stem, masks_by_stem, "image", "mask"),
        (masks_by_stem, images_by_stem, "mask", "image"),
    ):
        alone = [stem for stem in have if stem not in lack]
        if alone:
            folder = mask_folder if other == "mask" else image_folder
            some = ""
            if len(alone) > 1:
                some = f" {len(alone)} {what}s have none: {numbered(have[stem].name for stem in alone)}."
            mistakes.add(
                f"The {what} {shown(have[alone[0]])} has no {other}: {shown(folder)} holds no file "
                f"'{alone[0]}.*'.{nearest(alone[0], lack)}{some} Images and masks are paired by their names "
                f"without the ending: add the {other}, or remove the {what}."
            )
    both = sorted(images_by_stem.keys() & masks_by_stem.keys())
    return [(images_by_stem[stem], masks_by_stem[stem]) for stem in both]


def _by_stem(folder: Path, findings: Findings) -> dict[str, Path]:
    if not is_folder(folder):
        raise DataError(
            f"There is no folder {shown(folder)}. Images and masks lie in SPLIT/images and SPLIT/masks."
        )
    files: dict[str, Path] = {}
    mistakes = Mistakes()
    for file in layouts.image_files(folder, findings):
        stem = unicodedata.normalize("NFC", file.relative_to(folder).with_suffix("").as_posix())
        if stem in files:
            mistakes.add(
                f"{shown(files[stem])} and {shown(file)} have the same name but for the ending. Remove one "
                "of them.",
                file.with_suffix(""),
            )
        files[stem] = file
    mistakes.check()
    if not files:
        raise DataError(f"{quoted(folder)} holds no images ({', '.join(sorted(decoding.SUFFIXES))}).")
    return files


def turned_alone(pairs: Sequence[tuple[Path, Path]], findings: Findings) -> dict[str, str]:
    """By the names of masks: of which pairs only one was turned, as `findings` have it."""
    turned = set(findings.names(decoding.TURNED))
    remarks = {}
    for image, mask in pairs:
        is_image_turned, is_mask_turned = shown(image) in turned, shown(mask) in turned
        if is_image_turned != is_mask_turned:
            one, other = ("image", "mask") if is_image_turned else ("mask", "image")
            remarks[shown(mask)] = (
                f"the {one} was turned as its EXIF orientation (tag 274) says, the {other} has none"
            )
    return remarks


def read_pairs(
    pairs: Sequence[tuple[Path, Path]],
    read_mask_file: Callable[..., np.ndarray],
    is_cached: bool,
    findings: Findings,
) -> tuple[Stored, Stored]:
    """Image files as (n, h, w, c) uint8 and mask files as labels (n, h, w), or each a `Ragged`; grey images
    have three channels where others have.

    Raises:
        DataError: files that cannot be read, all at once.
    """
    mistakes = Mistakes()
    found = []
    for paths, read_one in (
        ([image for image, _ in pairs], partial(decoding.read, resize=None)),
        ([mask for _, mask in pairs], read_mask_file),
    ):
        with mistakes.held():
            found.append(_read(paths, read_one, is_cached, findings))
    mistakes.check()
    return found[0], found[1]


def _read(
    files: Sequence[Path], read_one: Callable[..., np.ndarray], is_cached: bool, findings: Findings
) -> Stored:
    """All files now, or (not cached) their shapes now and the rest when it is asked for."""
    look = partial(read_one, findings=findings)
    if is_cached:
        arrays = read_all(files, look)
        _find_grey(files, [array.shape for array in arrays], findings)
        return stacked(arrays)
    shapes = read_all(files, lambda file: look(file).shape)
    channels = _find_grey(files, shapes, findings)
    stored = Ragged(
        lambda i: read_one(files[i]), np.array([shape[:2] for shape in shapes]), num_channels=channels
    )
    return stored.map(lambda image: with_channels(image, channels), channels)


def _find_grey(files: Sequence[Path], shapes: Sequence[tuple[int, ...]], findings: Findings) -> int | None:
    """The channels of images with these shapes, None of masks; grey ones among colours are found."""
    channels = max((shape[2] for shape in shapes if len(shape) == 3), default=None)
    for file, shape in zip(files, shapes, strict=True):
        if len(shape) == 3 and shape[2] != channels:
            findings.add(decoding.GREY, file)
    return channels


def stacked(arrays: list[np.ndarray]) -> Stored:
    """One array where all have one size, else a `Ragged`; grey images repeat their channel where others have
    three.
    """
    channels = max((array.shape[2] for array in arrays if array.ndim == 3), default=None)
    arrays = [with_channels(array, channels) for array in arrays]
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else Ragged.of(arrays)


def with_channels(image: np.ndarray, num_channels: int | None) -> np.ndarray:
    """A grey image with its channel as often as others have channels."""
    if num_channels is None or image.shape[2] == num_channels:
        return image
    return np.repeat(image, num_channels, axis=2)
