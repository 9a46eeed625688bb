"""Named data sets of images with masks that download on the user's machine (extra 'hub').

Any `owner/name` (or `owner/name:subset`) of the Hugging Face hub with an image and a mask column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from popnas.datasets.findings import Findings, Mistakes
from popnas.datasets.images.decoding import decode
from popnas.datasets.masks.mask_files import labels_of_image
from popnas.datasets.masks.segmentation import SegmentationData
from popnas.datasets.ragged import Ragged, Stored
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.datasets.sources._hub_tables import download, find_other_columns, names_of_splits
from popnas.datasets.sources.segmentation_folders import stacked, with_channels
from popnas.errors import DataError
from popnas.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MASK_COLUMNS = (
    "mask",
    "masks",
    "label",
    "labels",
    "annotation",
    "segmentation_mask",
    "semantic_segmentation",
)
_FILES = "train/images and train/masks (PNG), or train.npz (x, y)"


@SOURCES.register("hub_masks", description="images with masks that download by name (extra 'hub')")
class HubMasks(Source):
    """Any name with an owner."""

    tasks = frozenset({"image_segmentation"})

    def offers(self, name: str) -> bool:
        """A name with an owner."""
        return name.count("/") == 1 and all(name.split("/"))

    def read(self, request: Request) -> SegmentationData:
        """Download (once; later from the cache on disk) and decode; not cached, decode when asked for."""
        assert request.name is not None
        return from_tables(download(request.name, request.name, _FILES), request)


def from_tables(tables: Mapping[str, Any], request: Request) -> SegmentationData:
    """The images and masks of downloaded tables (`datasets.Dataset` by split name)."""
    place = f"the data set '{request.name}'"
    findings = Findings()
    names = names_of_splits(tables, request, findings)
    image_column, mask_column = _columns(tables[names["train"]], place, findings)

    def read(column: str, decoded: Callable[..., np.ndarray]) -> dict[str, Stored]:
        return {
            split: _stored(
                tables[name], column, f"of the {split} split of {place}", decoded, request, findings.of(split)
            )
            for split, name in names.items()
        }

    images, masks = read(image_column, decode), read(mask_column, labels_of_image)
    return SegmentationData(
        place=place,
        images=images,
        masks=masks,
        findings=findings,
        are_files=True,
        names={
            split: [f"{i} of the {split} split of {place}" for i in range(len(tables[name]))]
            for split, name in names.items()
        },
    )


def _columns(table: Any, place: str, findings: Findings) -> tuple[str, str]:
    """The names of the image and the mask column."""
    kinds = {name: type(feature).__name__ for name, feature in table.features.items()}
    pictures = [name for name, kind in kinds.items() if kind == "Image"]
    masks = [name for name in _MASK_COLUMNS if name in pictures]
    images = [name for name in pictures if name not in masks]
    if not images or not masks:
        columns = ", ".join(f"{one_line(name)} ({kind})" for name, kind in kinds.items())
        raise DataError(
            f"{place} has no {'mask' if images else 'image'} column, which segmentation needs (a mask's is "
            f"named {', '.join(_MASK_COLUMNS)}). Its columns are: {columns}."
        )
    find_other_columns(images, findings)
    find_other_columns(masks, findings)
    return images[0], masks[0]


def _stored(
    table: Any,
    column: str,
    where: str,
    decoded: Callable[..., np.ndarray],
    request: Request,
    findings: Findings,
) -> Stored:
    rows = table.select_columns([column])

    def read(i: int, findings: Findings | None = None) -> np.ndarray:
        return decoded(rows[i][column], f"{column} {i} {where}", findings)

    mistakes, arrays, shapes = Mistakes(), [], []
    for i in range(len(rows)):
        with mistakes.held(f"{column} {i} {where}"):
            found = read(i, findings)
            shapes.append(found.shape)
            if request.is_cached:
                arrays.append(found)
    mistakes.check()
    if request.is_cached:
        return stacked(arrays)
    channels = max((shape[2] for shape in shapes if len(shape) == 3), default=None)
    stored = Ragged(read, np.array([shape[:2] for shape in shapes]), num_channels=channels)
    return stored.map(lambda image: with_channels(image, channels), channels)
