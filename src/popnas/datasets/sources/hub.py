"""Named image data sets that download on the user's machine, through Hugging Face's `datasets` (extra 'hub').

Only data files are fetched; no remote code is ever run (`datasets` dropped that with version 4, and older
ones run it only when told to).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from popnas.datasets.findings import Findings, Mistakes
from popnas.datasets.images.decoding import ImageData, decode, resize_image
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.datasets.sources._hub_tables import download, find_other_columns, names_of_splits
from popnas.errors import DataError
from popnas.printable import one_line

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
_FILES = "train/CLASS/*.png or train.npz (x, y)"


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
        name = request.name
        return from_tables(download(name, _KNOWN.get(name, name), _FILES), request)


def from_tables(tables: Mapping[str, Any], request: Request) -> ImageData:
    """The images of downloaded tables (`datasets.Dataset` by split name)."""
    place = f"the data set '{request.name}'"
    findings = Findings()
    names = names_of_splits(tables, request, findings)
    image_column, label_column = _columns(tables[names["train"]], place, findings)
    label_feature = tables[names["train"]].features[label_column]
    read = {
        split: _pixels(tables[name], image_column, request, findings.of(split))
        for split, name in names.items()
    }
    return ImageData(
        place=place,
        labels={split: np.asarray(tables[name][label_column][:]) for split, name in names.items()},
        label_names=getattr(label_feature, "names", None),
        images={split: images for split, (images, _) in read.items()},
        original_sizes={split: np.array(sizes) for split, (_, sizes) in read.items()},
        findings=findings,
        are_files=True,
    )


def _columns(table: Any, place: str, findings: Findings) -> tuple[str, str]:
    """The names of the image and the label column."""
    kinds = {name: type(feature).__name__ for name, feature in table.features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name in _LABEL_COLUMNS if name in kinds]
    labels += [name for name, kind in kinds.items() if kind == "ClassLabel" and name not in labels]
    if not images or not labels:
        missing = "an image column" if not images else "a label column"
        columns = ", ".join(f"{one_line(name)} ({kind})" for name, kind in kinds.items())
        raise DataError(
            f"{place} has no {missing.split(' ', 1)[1]}, which image classification needs. Its columns are: "
            f"{columns}."
        )
    find_other_columns(images, findings)
    find_other_columns(labels, findings)
    return images[0], labels[0]


def _pixels(
    table: Any, column: str, request: Request, findings: Findings
) -> tuple[list[np.ndarray], list[tuple[int, ...]]]:
    """The images of a column, and the size that each had before it was resized."""
    pixels, sizes, mistakes = [], [], Mistakes()
    for i, row in enumerate(table.select_columns([column])):
        name = f"image {i} of the data set '{request.name}'"
        with mistakes.held(name):
            image = decode(row[column], name, findings)
            sizes.append(image.shape[:2])
            pixels.append(image if request.resize is None else resize_image(image, request.resize))
    mistakes.check()
    return pixels, sizes
