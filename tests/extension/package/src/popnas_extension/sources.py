"""`stripes`: made-up images whose class is how far apart their stripes are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popnas.datasets.images.decoding import ImageData
from popnas.datasets.sources import SOURCES, Request, Source

_NUM = {"train": 160, "validation": 0, "test": 40}


@SOURCES.register("stripes", description="made-up images of 8x8 pixels in four grades")
class Stripes(Source):
    """The data set `stripes`, for whatever task reads images with one label."""

    tasks = frozenset({"image_classification"})

    def data_sets(self) -> Sequence[str]:
        """See `Source.data_sets`."""
        return ("stripes",)

    def read(self, request: Request) -> ImageData:
        """See `Source.read`."""
        found = {split: _drawn(_NUM[split]) for split in request.splits if _NUM[split]}
        return ImageData(
            place="the data set 'stripes'",
            labels={split: y for split, (_, y) in found.items()},
            images={split: x for split, (x, _) in found.items()},
        )


def _drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    y_N = np.arange(count) % 4
    columns = np.arange(8)
    phases = rng.integers(0, 8, count)
    stripes = ((columns + phases[:, None]) // (y_N[:, None] + 1)) % 2
    x_NHW = stripes[:, None].repeat(8, axis=1) * 150 + rng.integers(0, 90, (count, 8, 8))
    return x_NHW.astype(np.uint8), y_N
