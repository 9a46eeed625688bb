"""Images in `.npz` files: x (n, h, w[, c]) uint8 and y (n,)."""

from __future__ import annotations

from pathlib import Path

from popnas.datasets.findings import Findings
from popnas.datasets.images.decoding import ImageData
from popnas.datasets.npz import names, reading
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.printable import quoted


@SOURCES.register("image_npz", description="images in .npz files at dataset.path")
class ImageNpz(Source):
    """One file per split, or one file with all."""

    tasks = frozenset({"image_classification"})
    layout = names.LAYOUT

    def recognizes(self, path: Path) -> bool:
        """An .npz file or a folder of them."""
        return names.recognizes(path)

    def read(self, request: Request) -> ImageData:
        """The arrays as they are."""
        assert request.path is not None
        findings = Findings()
        parts = reading.read(request.path, request.splits, findings)
        return ImageData(
            place=quoted(request.path),
            findings=findings,
            labels={split: part.y for split, part in parts.items()},
            images={split: part.x for split, part in parts.items()},
        )
