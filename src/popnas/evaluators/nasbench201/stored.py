"""The figures of NAS-Bench-201, and their file: an `.npz` of plain arrays, never unpickled.

Axes: D data sets as in `DATA_SETS`, A architectures by their code (`architectures.codes`), R trainings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from popnas.datasets.npz.members import NpzMembers
from popnas.errors import DataError
from popnas.evaluators._stored_arrays import StoredArrays
from popnas.evaluators.nasbench201.architectures import NUM_ARCHITECTURES
from popnas.printable import quoted

DATA_SETS = ("cifar10", "cifar100", "ImageNet16-120")
EPOCHS = (12, 200)
FORMAT = "popnas NAS-Bench-201 1"
_REMEDY = "Make it again with `popnas bench nasbench201 -p FILES`."
_NUM_TRAININGS = 3


@dataclass(frozen=True)
class NasBench201(StoredArrays):
    """What was measured of all architectures.

    Attributes:
        about: JSON of where the figures come from.
        index: (A,) int64, the official number of each architecture.
        validation_12: (D, A) float32, validation accuracy after 12 epochs, 0..100.
        validation_200: (D, A, R) float32, after 200, of single trainings; NaN: not trained so often.
        test_200: (D, A) float32, test accuracy after 200 epochs, the mean over trainings.
        training_seconds: (D, A) float32, of 200 epochs; 12 epochs take 0.06 times as long.
        params: (D, A) int64.
        latency_ms: (D, A) float32, milliseconds of one image on the device that `about` names; (0, A): none.
    """

    index: np.ndarray
    validation_12: np.ndarray
    validation_200: np.ndarray
    test_200: np.ndarray
    training_seconds: np.ndarray
    params: np.ndarray
    latency_ms: np.ndarray = field(
        default_factory=lambda: np.zeros((0, NUM_ARCHITECTURES), dtype=np.float32), kw_only=True
    )

    @property
    def has_latency(self) -> bool:
        """Whether it is known how long the architectures answer."""
        return bool(len(self.latency_ms))

    def arrays(self) -> dict[str, np.ndarray]:
        """See `StoredArrays`; files without latencies, and their digests, are as they were before these."""
        found = super().arrays()
        return found if self.has_latency else {key: found[key] for key in found if key != "latency_ms"}

    def trainings(self, data_set: str, epochs: int) -> np.ndarray:
        """(A, trainings) float64: validation accuracies 0..1, NaN where there is none."""
        place = DATA_SETS.index(data_set)
        values = self.validation_12[place][:, None] if epochs == EPOCHS[0] else self.validation_200[place]
        return np.asarray(values, dtype=np.float64) / 100

    def seconds(self, data_set: str, epochs: int) -> np.ndarray:
        """(A,) float64: of that many epochs of training."""
        whole = self.training_seconds[DATA_SETS.index(data_set)].astype(np.float64)
        return np.asarray(whole * (epochs / EPOCHS[-1]))

    def latencies(self, data_set: str) -> np.ndarray | None:
        """(A,) float64 seconds of one image; None where they are not known."""
        if not self.has_latency:
            return None
        return np.asarray(self.latency_ms[DATA_SETS.index(data_set)].astype(np.float64) / 1000)


_SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "about": ((), "U"),
    "index": ((NUM_ARCHITECTURES,), "i"),
    "validation_12": ((len(DATA_SETS), NUM_ARCHITECTURES), "f"),
    "validation_200": ((len(DATA_SETS), NUM_ARCHITECTURES, _NUM_TRAININGS), "f"),
    "test_200": ((len(DATA_SETS), NUM_ARCHITECTURES), "f"),
    "training_seconds": ((len(DATA_SETS), NUM_ARCHITECTURES), "f"),
    "params": ((len(DATA_SETS), NUM_ARCHITECTURES), "i"),
}
_LATENCY = {"latency_ms": ((len(DATA_SETS), NUM_ARCHITECTURES), "f")}


def write(path: Path, table: NasBench201) -> int:
    """Write the figures, whole or not at all; returns the file's bytes.

    Raises:
        StorageError: the disk refused.
    """
    return table.write(path, FORMAT)


def read(path: Path) -> NasBench201:
    """Read figures that `write` wrote, and check them.

    Raises:
        DataError: no readable file, no such figures, or figures that cannot be.
    """
    members = NpzMembers(path, _REMEDY, _REMEDY)
    if "format" not in members.names or str(members.read("format")) != FORMAT:
        raise DataError(
            f"{quoted(path)} is no file of NAS-Bench-201 that popnas made ({FORMAT!r}). {_REMEDY}"
        )
    missing = [name for name in _SHAPES if name not in members.names]
    if missing:
        raise DataError(f"{quoted(path)} lacks the arrays {', '.join(missing)}. {_REMEDY}")
    known = [*_SHAPES, *(name for name in _LATENCY if name in members.names)]
    table = NasBench201(**{name: members.read(name) for name in known})
    if (fault := fault_of(table)) is not None:
        raise DataError(f"{quoted(path)}: {fault} {_REMEDY}")
    return table


def fault_of(table: NasBench201) -> str | None:
    """What is wrong with the figures, as a sentence; None if nothing is."""
    for name, (shape, kind) in {**_SHAPES, **(_LATENCY if table.has_latency else {})}.items():
        array = getattr(table, name)
        if array.dtype.kind != kind or array.shape != shape:
            return f"'{name}' must have the shape {shape}, but is {array.dtype} of {array.shape}."
    if sorted(table.index.tolist()) != list(range(NUM_ARCHITECTURES)):
        return "'index' must name every architecture once."
    for name in ("validation_12", "validation_200", "test_200"):
        values = getattr(table, name)
        first = values[..., 0] if values.ndim == 3 else values
        known = values[np.isfinite(values)]
        if not np.isfinite(first).all() or known.min() < 0 or known.max() > 100:
            return f"'{name}' must be accuracies of 0 to 100 of every architecture."
    if not (table.training_seconds > 0).all() or (table.params < 0).any():
        return "'training_seconds' must be above 0, and 'params' not below."
    if not (np.isfinite(table.latency_ms) & (table.latency_ms > 0)).all():
        return "'latency_ms' must be above 0 of every architecture."
    return None
