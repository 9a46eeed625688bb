"""Augmentation of a whole batch of series at once, on the device that holds it.

All that moves values in time is one map, from which every series is read once: how fast its time goes
(after Um et al., "Data Augmentation of Wearable Sensor Data", 2017, and Le Guennec et al., "Data
Augmentation for Time Series Classification", 2016), a crop that is stretched to the whole length, a shift.

Axes: B batch, C channels, L timesteps, K knots.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from popnas.datasets.augmentation.batch import Batch
from popnas.placement import sent

_NUM_KNOTS = 5
_WINDOW_SPEED = 2.0


@dataclass(frozen=True)
class SeriesChanges:
    """What is done to every series of a batch, each in a way of its own; 0 leaves it out.

    Attributes:
        time_warp: standard deviation of the logarithm of the time's speed at five places, between which it
            changes evenly.
        window_warp: length of a window, as a share of the series, that is passed through twice as fast or
            half as fast as the rest.
        crop: the largest share that is cut off, at both ends together.
        shift: the largest share by which a series is moved; its first or last value stands in what is left.
        scaling: standard deviation of the factor of each channel, about 1.
        jitter: standard deviation of noise, as a share of that of the series' channel.
    """

    time_warp: float = 0.0
    window_warp: float = 0.0
    crop: float = 0.0
    shift: float = 0.0
    scaling: float = 0.0
    jitter: float = 0.0

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """See `batch.Change`."""
        x_BCL, lengths_B = batch.x, batch.lengths
        num_series, num_channels, num_steps = x_BCL.shape
        if self._moves:
            place_BL = sent(self._places(num_series, num_steps, generator), x_BCL.device)
            x_BCL = _read(x_BCL, place_BL, lengths_B)
        if self.scaling:
            drawn = torch.randn(num_series, num_channels, 1, generator=generator)
            x_BCL = x_BCL * sent(1 + self.scaling * drawn, x_BCL.device)
        if self.jitter:
            noise = sent(torch.randn(x_BCL.shape, generator=generator), x_BCL.device)
            x_BCL = x_BCL + self.jitter * _deviation(x_BCL, lengths_B) * noise
        if lengths_B is not None:
            x_BCL = x_BCL * _inside(x_BCL, lengths_B)
        return batch._replace(x=x_BCL)

    @property
    def _moves(self) -> bool:
        return any((self.time_warp, self.window_warp, self.crop, self.shift))

    def _places(self, num_series: int, num_steps: int, generator: torch.Generator) -> Tensor:
        """Where each of evenly spaced times is read, both as shares of the whole time, (B, L) in 0..1."""

        def uniform() -> Tensor:
            return torch.rand(num_series, 1, generator=generator)

        time_L = torch.linspace(0, 1, num_steps)
        logarithm_BL = torch.zeros(num_series, num_steps)
        if self.time_warp:
            knots_B1K = torch.randn(num_series, 1, _NUM_KNOTS, generator=generator)
            between = functional.interpolate(knots_B1K, num_steps, mode="linear", align_corners=True)
            logarithm_BL = logarithm_BL + self.time_warp * between[:, 0]
        if self.window_warp:
            start_B1 = uniform() * (1 - self.window_warp)
            is_inside_BL = (time_L >= start_B1) & (time_L < start_B1 + self.window_warp)
            is_faster_B1 = uniform() < 0.5
            speed = torch.tensor(_WINDOW_SPEED).log() * torch.where(is_faster_B1, 1.0, -1.0)
            logarithm_BL = logarithm_BL + is_inside_BL * speed
        place_BL = _passed(logarithm_BL.exp())
        if self.crop:
            cut_B1 = self.crop * uniform()
            place_BL = cut_B1 * uniform() + (1 - cut_B1) * place_BL
        if self.shift:
            place_BL = place_BL + self.shift * (2 * uniform() - 1)
        return place_BL.clamp(0, 1)


def _passed(speed_BL: Tensor) -> Tensor:
    """The share of the way that is passed at each time, from 0 to 1."""
    between = (speed_BL[:, 1:] + speed_BL[:, :-1]) / 2
    way_BL = functional.pad(between.cumsum(1), (1, 0))
    return way_BL / way_BL[:, -1:].clamp(min=torch.finfo(way_BL.dtype).tiny)


def _read(x_BCL: Tensor, place_BL: Tensor, lengths_B: Tensor | None) -> Tensor:
    """Series read at these shares of their own time, straight lines between their values."""
    if lengths_B is not None:
        last_B1 = (lengths_B[:, None] - 1).clamp(min=1).to(place_BL.dtype)
        steps_L = torch.arange(x_BCL.shape[2], device=x_BCL.device)
        place_BL = _between(place_BL[:, None], (steps_L / last_B1).clamp(max=1) * (x_BCL.shape[2] - 1))[:, 0]
        return _between(x_BCL, place_BL * last_B1)
    return _between(x_BCL, place_BL * (x_BCL.shape[2] - 1))


def _between(x_BCL: Tensor, position_BL: Tensor) -> Tensor:
    """`x` at positions that need not be whole."""
    before_BL = position_BL.long()
    after_BL = (before_BL + 1).clamp(max=x_BCL.shape[2] - 1)
    first, second = (x_BCL.gather(2, at[:, None].expand_as(x_BCL)) for at in (before_BL, after_BL))
    return torch.lerp(first, second, (position_BL - before_BL)[:, None])


def _deviation(x_BCL: Tensor, lengths_B: Tensor | None) -> Tensor:
    """Standard deviation of each series' channels before its end, (B, C, 1)."""
    if lengths_B is None:
        return x_BCL.std(2, correction=0, keepdim=True)
    inside, num_B11 = _inside(x_BCL, lengths_B), lengths_B[:, None, None]
    mean_BC1 = (x_BCL * inside).sum(2, keepdim=True) / num_B11
    return (((x_BCL - mean_BC1) * inside).square().sum(2, keepdim=True) / num_B11).sqrt()


def _inside(x_BCL: Tensor, lengths_B: Tensor) -> Tensor:
    """1 before each series' end and 0 behind it, (B, 1, L)."""
    is_inside_BL = torch.arange(x_BCL.shape[2], device=x_BCL.device) < lengths_B[:, None]
    return is_inside_BL[:, None].to(x_BCL.dtype)
