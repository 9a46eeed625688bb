"""The numbers between raw values and network input: (raw - offset) * scale per channel, zero after a series'
end.

Torch-free values, so that they travel to workers, into `model.json` and into an exported network unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popnas.errors import DataError
from popnas.records import Record

ORIGINS = ("image file", "image array", "series")


@dataclass(frozen=True)
class Origin(Record):
    """From what a source made its raw values: what users must do with an example of their own.

    `kind`: one of `ORIGINS`; image files are decoded with Pillow. `white`: what the data have where
    raw images have 255. `resized`: the (height, width) that all images were stretched to, if they were.
    """

    kind: str
    white: int = 255
    resized: tuple[int, int] | None = None


@dataclass(frozen=True)
class Preprocessing(Record):
    """Per-channel `offset` and `scale`; with `has_lengths` whatever lies after a series' end becomes zero."""

    offset: tuple[float, ...]
    scale: tuple[float, ...]
    has_lengths: bool = False

    @staticmethod
    def of_images(num_channels: int) -> Preprocessing:
        """Bytes 0..255 to 0..1."""
        return Preprocessing((0.0,) * num_channels, (1 / 255,) * num_channels)

    def apply(self, x: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """Network input from raw values, channels last: (n, ..., c) of any dtype to (n, ..., c) float32."""
        offset, scale = np.asarray(self.offset, np.float32), np.asarray(self.scale, np.float32)
        ready = (x.astype(np.float32) - offset) * scale
        if lengths is not None:
            ready[np.arange(x.shape[1]) >= lengths[:, None]] = 0
        return ready


def fit_series(
    x_NTC: np.ndarray, lengths: np.ndarray | None, *, rescale: bool, normalize: bool
) -> Preprocessing:
    """Fit `rescale` and `normalize` on training series, padding left out.

    `rescale` divides by the 98th percentile of all training values; `normalize` makes every channel's
    training values mean 0 and variance 1, which undoes any rescaling; a constant channel is only centred.

    Raises:
        DataError: the 98th percentile is zero, so that nothing can be divided by it.
    """
    num_channels = x_NTC.shape[2]
    values_MC = x_NTC.reshape(-1, num_channels) if lengths is None else x_NTC[_inside(x_NTC, lengths)]
    values_MC = values_MC.astype(np.float64)
    has_lengths = lengths is not None
    if normalize:
        return _z_normalization(values_MC, has_lengths)
    scale = 1.0
    if rescale:
        percentile = float(np.percentile(values_MC, 98))
        if percentile == 0 or not np.isfinite(np.float32(1 / percentile)):
            raise DataError(
                "dataset.rescale is true, but the 98th percentile of the training values is "
                f"{percentile:g}, by which nothing can be divided. Use dataset.normalize instead."
            )
        scale = 1 / percentile
    return Preprocessing((0.0,) * num_channels, (scale,) * num_channels, has_lengths)


def _z_normalization(values_MC: np.ndarray, has_lengths: bool) -> Preprocessing:
    mean, deviation = values_MC.mean(axis=0), values_MC.std(axis=0)
    # A channel that is constant but for rounding would be blown up to noise: it is only centred.
    is_constant = deviation <= 1e-7 * np.abs(mean)
    scale = np.where(is_constant, 1.0, 1 / np.where(is_constant, 1.0, deviation))
    return Preprocessing(tuple(mean.tolist()), tuple(scale.tolist()), has_lengths)


def _inside(x_NTC: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.arange(x_NTC.shape[1]) < lengths[:, None]
