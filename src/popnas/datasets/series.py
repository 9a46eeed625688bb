"""Time series as sources read them: unequal lengths, missing values, rescaling and normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from popnas.datasets._labelled import Arrays, LabelledData
from popnas.datasets.dataset import Split
from popnas.datasets.preprocessing import Preprocessing, fit_series
from popnas.errors import DataError

if TYPE_CHECKING:
    from popnas.config import DatasetConfig


@dataclass
class SeriesData(LabelledData):
    """Series per split: an array (n, t, c), or a list of arrays (t_i, c) where lengths differ."""

    series: Mapping[str, np.ndarray | Sequence[np.ndarray]] = field(default_factory=dict)

    def arrays(self, splits: Sequence[str], config: DatasetConfig, notes: list[str]) -> dict[str, Arrays]:
        """All series as long as the longest of the training split: shorter ones end in zeros, longer ones
        are cut.
        """
        used = {split: self.series[split] for split in splits}
        for split, series in used.items():
            self._check(series, split)
        lengths = {
            split: np.fromiter((len(one) for one in series), np.int64, len(series))
            for split, series in used.items()
        }
        longest = int(lengths["train"].max())
        # The test split must not decide what networks look like: it is not always loaded.
        is_unequal = any((found != longest).any() for split, found in lengths.items() if split != "test")
        arrays = {}
        for split, series in used.items():
            self._note_other_lengths(split, lengths[split], longest, is_unequal, notes)
            arrays[split] = Arrays(
                _padded(series, longest), np.minimum(lengths[split], longest) if is_unequal else None
            )
        return arrays

    def fit(self, train: Split, config: DatasetConfig, notes: list[str]) -> Preprocessing:
        """Rescaling and normalisation, fitted on training values without padding."""
        return fit_series(
            train.x, train.lengths, rescale=config.rescale, normalize=config.normalize, notes=notes
        )

    def _check(self, series: np.ndarray | Sequence[np.ndarray], split: str) -> None:
        if isinstance(series, np.ndarray) and (series.ndim != 3 or 0 in series.shape[1:]):
            raise DataError(
                f"The series of the {split} split of {self.place} have the shape {series.shape}; (cases, "
                "timesteps, channels) is needed. A single channel still has its axis: x[..., None]."
            )
        if isinstance(series, np.ndarray) and series.dtype.kind not in "iubf":
            raise DataError(
                f"The series of the {split} split of {self.place} are of the type {series.dtype}; numbers "
                "are needed."
            )
        num_channels = self.series["train"][0].shape[-1]
        for i, one in enumerate(series):
            if one.shape[-1] != num_channels:
                raise DataError(
                    f"Series {i} of the {split} split of {self.place} has {one.shape[-1]} channels, the "
                    f"first training series {num_channels}. All series need the same channels."
                )
            if len(one) == 0:
                raise DataError(
                    f"Series {i} of the {split} split of {self.place} has no timestep. Remove it."
                )
            if not np.isfinite(one).all():
                raise DataError(self._not_finite(one, i, split))

    def _not_finite(self, one_TC: np.ndarray, i: int, split: str) -> str:
        t, c = np.argwhere(~np.isfinite(one_TC))[0]
        kind = "NaN" if np.isnan(one_TC[t, c]) else "an infinite value"
        message = (
            f"Series {i} of the {split} split of {self.place} holds {kind} at timestep {t}, channel {c}. "
            "Fill in missing values (by interpolation, say) or remove the series."
        )
        if kind == "NaN" and np.isnan(one_TC[t:]).all():
            message += (
                " If NaN marks the end of a shorter series, write zeros there and add an "
                "array `lengths` (cases,) to the .npz."
            )
        return message

    def _note_other_lengths(
        self, split: str, lengths: np.ndarray, longest: int, is_unequal: bool, notes: list[str]
    ) -> None:
        num_longer, num_shorter = int((lengths > longest).sum()), int((lengths < longest).sum())
        if num_longer:
            notes.append(
                f"{num_longer} of {len(lengths)} series of the {split} split are longer than the longest "
                f"training series ({longest} timesteps) and are cut"
            )
        if num_shorter and not is_unequal:
            notes.append(
                f"{num_shorter} of {len(lengths)} series of the {split} split are shorter than the training "
                f"series ({longest} timesteps each) and are filled up with zeros"
            )


def _padded(series: np.ndarray | Sequence[np.ndarray], num_timesteps: int) -> np.ndarray:
    """(n, num_timesteps, c) float32, zeros after each end."""
    if isinstance(series, np.ndarray) and series.shape[1] == num_timesteps:
        return np.ascontiguousarray(series, dtype=np.float32)
    x_NTC = np.zeros((len(series), num_timesteps, series[0].shape[-1]), dtype=np.float32)
    for i, one in enumerate(series):
        x_NTC[i, : len(one)] = one[:num_timesteps]
    return x_NTC
