"""Time series as sources read them: unequal lengths, missing values, rescaling and normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from popnas.datasets._labelled import Arrays, LabelledData
from popnas.datasets.dataset import FittedLengths, Split
from popnas.datasets.findings import Notes, first_of
from popnas.datasets.preprocessing import Origin, Preprocessing, fit_series
from popnas.errors import DataError

if TYPE_CHECKING:
    from popnas.config import DatasetConfig


LARGEST = 1e30
"""Larger values overflow float32 (3.4e38) as soon as a few are summed or weighted."""
_SMALLEST = 1e-30
"""Smaller differences vanish, or their inverse overflows when they are normalised."""
_RESOLUTION = float(np.finfo(np.float32).eps)
_LOST_STEPS, _COARSE_STEPS = 4, 200
"""Where the range of a channel has so few steps of float32, it is lost, or rounded by more than half a
percent."""


@dataclass
class SeriesData(LabelledData):
    """Series per split: an array (n, t, c), or a list of arrays (t_i, c) where lengths differ.

    `names[split][i]` tells where series i is from, for messages. `end_remedy` is what their format wants in
    place of missing values at the end, `axes_remedy` how axes that are the wrong way round are exchanged,
    `remove_remedy` (a clause after a colon, or nothing) how series with missing values are left out.
    """

    series: Mapping[str, np.ndarray | Sequence[np.ndarray]] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    end_remedy: str = "write zeros there and add an array `lengths` (cases,) with their numbers of timesteps"
    axes_remedy: str = "numpy.moveaxis(x, 1, -1)"
    remove_remedy: str = ": keep = numpy.isfinite(x).all(axis=(1, 2)), then x[keep] and y[keep]"

    def arrays(self, splits: Sequence[str], config: DatasetConfig, notes: Notes) -> dict[str, Arrays]:
        """All series as long as the longest of the training split: shorter ones end in zeros, longer ones
        are cut.
        """
        used = {split: self.series[split] for split in splits}
        for split, series in used.items():
            self._check(series, split)
        self._check_resolution(used["train"], notes.learnt)
        lengths = {
            split: np.fromiter((len(one) for one in series), np.int64, len(series))
            for split, series in used.items()
        }
        longest = int(lengths["train"].max())
        self._note_axes(longest, notes.learnt)
        # The test split must not decide what networks look like: it is not always loaded.
        is_unequal = any((found != longest).any() for split, found in lengths.items() if split != "test")
        arrays = {}
        for split, series in used.items():
            if split != "test":  # of that `fit_test` knows more
                self._note_other_lengths(split, lengths[split], longest, is_unequal, notes.learnt)
            arrays[split] = Arrays(
                _padded(series, longest), np.minimum(lengths[split], longest) if is_unequal else None
            )
        return arrays

    def fit(self, train: Split, config: DatasetConfig) -> Preprocessing:
        """Rescaling and normalisation, fitted on training values without padding."""
        return fit_series(train.x, train.lengths, rescale=config.rescale, normalize=config.normalize)

    def origin(self, config: DatasetConfig) -> Origin:
        """Values as they are stored."""
        return Origin("series")

    def fit_test(self, test: Split, preprocessing: Preprocessing) -> FittedLengths:
        """Where networks take no lengths, zeros after a test series' end are values like any others: they are
        made zeros after normalisation, as padding is everywhere.
        """
        lengths = np.fromiter((len(one) for one in self.series["test"]), np.int64, len(test))
        num_timesteps = test.x.shape[1]
        num_cut, num_filled = int((lengths > num_timesteps).sum()), 0
        if test.lengths is None:
            is_shorter = lengths < num_timesteps
            num_filled = int(is_shorter.sum())
            for i in np.flatnonzero(is_shorter):
                test.x[i, lengths[i] :] = np.asarray(preprocessing.offset, np.float32)
        return FittedLengths(num_timesteps, num_filled, num_cut)

    def _check(self, series: np.ndarray | Sequence[np.ndarray], split: str) -> None:
        first = series[0]
        if first.dtype.kind not in "iubf":
            raise DataError(
                f"The series of the {split} split of {self.place} are of the type {first.dtype}; numbers "
                "are needed. Numbers that were saved as texts become some with x.astype(float)."
            )
        shape = series.shape if isinstance(series, np.ndarray) else (len(series), *first.shape)
        if len(shape) != 3 or 0 in shape[2:]:
            is_flat = len(shape) == 2 and isinstance(series, np.ndarray)
            raise DataError(
                f"The series of the {split} split of {self.place} have the shape {shape}; (cases, "
                f"timesteps, channels) is needed.{' One channel has an axis too: x[..., None].' * is_flat}"
            )
        num_channels = self.series["train"][0].shape[-1]
        not_finite = []
        for i, one in enumerate(series):
            if one.shape[-1] != num_channels:
                raise DataError(
                    f"{self._name(split, i)} has {one.shape[-1]} channels, the first training series "
                    f"{num_channels}. All series need the same channels."
                )
            if len(one) == 0:
                raise DataError(f"{self._name(split, i)} has no timestep. Remove it.")
            if not np.isfinite(one).all():
                not_finite.append(i)
            else:
                self._check_range(one, i, split)
        if not_finite:
            raise DataError(self._not_finite(series, not_finite, split))

    def _check_range(self, one_TC: np.ndarray, i: int, split: str) -> None:
        """Networks compute in float32, and squares and sums of values must fit it, too."""
        extremes = one_TC.max(), one_TC.min()
        if max(abs(float(value)) for value in extremes) <= LARGEST:
            return
        t, c = (int(place[0]) for place in np.nonzero(np.abs(one_TC) > LARGEST))
        raise DataError(
            f"{self._name(split, i)} holds {float(one_TC[t, c]):g} at timestep {t}, "
            f"channel {c}; networks compute in float32, so values must lie within -{LARGEST:g}.."
            f"{LARGEST:g}. Rescale the series before they are saved, by a unit in which values are near 1."
        )

    def _check_resolution(self, series: np.ndarray | Sequence[np.ndarray], notes: list[str]) -> None:
        """Refuse channels whose differences float32 cannot tell; note those that lose much of them."""
        low_C = np.min([one.min(axis=0) for one in series], axis=0).astype(np.float64)
        high_C = np.max([one.max(axis=0) for one in series], axis=0).astype(np.float64)
        range_C, step_C = high_C - low_C, np.maximum(abs(low_C), abs(high_C)) * _RESOLUTION
        coarse = [
            c for c in range(len(range_C)) if 0 < range_C[c] < max(_COARSE_STEPS * step_C[c], _SMALLEST)
        ]
        if not coarse:
            return
        c = coarse[0]
        what = (
            f"channel {c} of the training series of {self.place} lies between {low_C[c]:.15g} and "
            f"{high_C[c]:.15g}, and networks compute in float32"
        )
        if range_C[c] < max(_LOST_STEPS * step_C[c], _SMALLEST):
            raise DataError(
                f"{what[0].upper()}{what[1:]}, which cannot tell such differences. Subtract what all values "
                "have in common, or rescale, before the series are saved."
            )
        more = f" (and {len(coarse) - 1} more channels)" * (len(coarse) > 1)
        notes.append(f"{what}{more}: differences are rounded. Subtract what all values have in common")

    def _name(self, split: str, i: int) -> str:
        if split in self.names:
            return f"The series of {self.names[split][i]}"
        return f"Series {i} of the {split} split of {self.place}"

    def _not_finite(
        self, series: np.ndarray | Sequence[np.ndarray], positions: Sequence[int], split: str
    ) -> str:
        first = positions[0]
        one_TC = series[first]
        t, c = np.argwhere(~np.isfinite(one_TC))[0]
        kind = "NaN" if np.isnan(one_TC[t, c]) else "an infinite value"
        message = f"{self._name(split, first)} holds {kind} at timestep {t}, channel {c}."
        if len(positions) > 1:
            names = self.names.get(split) or [str(i) for i in range(len(series))]
            shown = first_of([names[i] for i in positions])
            message += f" {len(positions)} series of the {split} split hold such values: {shown}."
        message += f" Fill in such values (by interpolation, say) or remove the series{self.remove_remedy}."
        if kind == "NaN" and np.isnan(one_TC[t:]).all():
            message += f" If NaN marks the end of a shorter series, {self.end_remedy}."
        return message

    def _note_axes(self, num_timesteps: int, notes: list[str]) -> None:
        num_channels = self.series["train"][0].shape[-1]
        if num_channels > num_timesteps:
            notes.append(
                f"the series have more channels ({num_channels}) than timesteps ({num_timesteps}); if the "
                f"two axes are the wrong way round, exchange them: {self.axes_remedy}"
            )

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
