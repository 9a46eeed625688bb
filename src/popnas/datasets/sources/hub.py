"""Named image data sets that download on the user's machine, through Hugging Face's `datasets` (extra 'hub').

Only data files are fetched; no remote code is ever run (`datasets` dropped that with version 4, and older
ones run it only when told to).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from popnas.datasets.images import ImageData, decode, resize_image
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names that users of TFDS know, and where the hub has them.
_KNOWN = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "mnist": "ylecun/mnist",
    "eurosat/rgb": "blanchon/EuroSAT_RGB",
}
_LABEL_COLUMNS = ("label", "labels", "fine_label")
_SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}


@SOURCES.register("hub", description="image data sets that download by name (extra 'hub')")
class Hub(Source):
    """Known names, and any `owner/name` (or `owner/name:subset`) of the hub with an image and a label
    column.
    """

    tasks = frozenset({"image_classification"})

    def data_sets(self) -> tuple[str, ...]:
        """The names that need no owner."""
        return tuple(_KNOWN)

    def offers(self, name: str) -> bool:
        """A known name, or one with an owner."""
        return name in _KNOWN or (name.count("/") == 1 and all(name.split("/")))

    def read(self, request: Request) -> ImageData:
        """Download (once; later from the cache on disk) and decode."""
        assert request.name is not None
        return from_tables(_download(request.name), request)


def from_tables(tables: Mapping[str, Any], request: Request) -> ImageData:
    """The images of downloaded tables (`datasets.Dataset` by split name)."""
    place = f"the data set '{request.name}'"
    names = {split: name for split in request.splits for name in _SPLIT_NAMES[split] if name in tables}
    if "train" not in names:
        raise DataError(
            f"{place} has no split 'train', only: {', '.join(tables)}. Download it and give dataset.path."
        )
    image_column, label_column = _columns(tables[names["train"]], place)
    label_feature = tables[names["train"]].features[label_column]
    return ImageData(
        place=place,
        labels={split: np.asarray(tables[name][label_column][:]) for split, name in names.items()},
        label_names=getattr(label_feature, "names", None),
        images={split: _pixels(tables[name], image_column, request) for split, name in names.items()},
    )


def _download(name: str) -> Mapping[str, Any]:
    if find_spec("datasets") is None:
        raise MissingExtraError(f"The data set '{name}'", "hub", "datasets")
    import datasets

    repository, _, subset = _KNOWN.get(name, name).partition(":")
    try:
        return datasets.load_dataset(repository, subset or None)
    except Exception as error:  # the library, its HTTP client and its file formats raise what they like
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"The data set '{name}' (dataset.name) could not be downloaded: tried '{repository}' on the "
            f"Hugging Face hub, which failed with: {reason}. Check the name and the connection, or get the "
            "images yourself and set dataset.path to a folder with train/CLASS/*.png or train.npz (x, y)."
        ) from error


def _columns(table: Any, place: str) -> tuple[str, str]:
    """The names of the image and the label column."""
    kinds = {name: type(feature).__name__ for name, feature in table.features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name in _LABEL_COLUMNS if name in kinds] or [
        n for n, k in kinds.items() if k == "ClassLabel"
    ]
    if not images or not labels:
        missing = "an image column" if not images else "a label column"
        columns = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise DataError(
            f"{place} has no {missing.split(' ', 1)[1]}, which image classification needs. Its columns are: "
            f"{columns}."
        )
    return images[0], labels[0]


def _pixels(table: Any, column: str, request: Request) -> list[np.ndarray]:
    pixels = []
    for i, row in enumerate(table.select_columns([column])):
        image = decode(row[column], f"image {i} of the data set '{request.name}'")
        pixels.append(image if request.resize is None else resize_image(image, request.resize))
    return pixels
