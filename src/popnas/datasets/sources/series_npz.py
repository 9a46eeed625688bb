"""Time series in `.npz` files: x (cases, timesteps, channels), y (cases,), and `lengths` (cases,) where
they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from popnas.datasets.findings import Findings
from popnas.datasets.npz import names, reading
from popnas.datasets.series import SeriesData
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.printable import quoted


@SOURCES.register("series_npz", description="time series in .npz files at dataset.path")
class SeriesNpz(Source):
    """One file per split, or one file with all."""

    tasks = frozenset({"time_series_classification"})
    layout = names.LAYOUT

    def recognizes(self, path: Path) -> bool:
        """An .npz file or a folder of them."""
        return names.recognizes(path)

    def read(self, request: Request) -> SeriesData:
        """The arrays, each series cut to its length where lengths are given."""
        assert request.path is not None
        findings = Findings()
        parts = reading.read(request.path, request.splits, findings)
        return SeriesData(
            place=quoted(request.path),
            findings=findings,
            labels={split: part.y for split, part in parts.items()},
            series={split: _series(part) for split, part in parts.items()},
        )


def _series(part: reading.Part) -> np.ndarray | Sequence[np.ndarray]:
    if part.lengths is None:
        return part.x
    return [one[:length] for one, length in zip(part.x, part.lengths, strict=True)]
