"""scikit-learn's handwritten digits: 1,797 grey images of 8x8, ten classes; ships with a dependency.

Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from popnas.datasets.images.decoding import ImageData
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.datasets.splits import draw

_NUM_TEST, _WHITE = 360, 16


@SOURCES.register(
    "digits", description="scikit-learn's 8x8 handwritten digits: 1,437 for training, 360 for test"
)
class Digits(Source):
    """The images (grey levels 0..16 brought to 0..255) with a fixed, stratified test split."""

    tasks = frozenset({"image_classification"})

    def data_sets(self) -> tuple[str, ...]:
        """Just `digits`."""
        return ("digits",)

    def read(self, request: Request) -> ImageData:
        """Training and test images; the split does not depend on the run's seed."""
        table = _table()
        images = (table[:, :-1].reshape(-1, 8, 8, 1) * 255 / _WHITE).round().astype(np.uint8)
        labels = table[:, -1].astype(np.int64)
        test = draw(labels, _NUM_TEST, np.random.default_rng(0))
        parts = {"train": np.setdiff1d(np.arange(len(labels)), test), "test": test}
        parts = {split: indices for split, indices in parts.items() if split in request.splits}
        return ImageData(
            place="the data set 'digits'",
            labels={split: labels[indices] for split, indices in parts.items()},
            images={split: images[indices] for split, indices in parts.items()},
            white=_WHITE,
        )


def _table() -> np.ndarray:
    """(1797, 65): 64 grey levels and the digit.

    Read from scikit-learn's file instead of `load_digits`: importing `sklearn.datasets` takes 1.5 s, in every
    worker.
    """
    package = find_spec("sklearn")
    assert package is not None and package.submodule_search_locations
    file = Path(package.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    with gzip.open(file, "rt") as lines:
        return np.loadtxt(lines, delimiter=",")
