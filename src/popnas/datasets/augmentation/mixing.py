"""Examples mixed with others of their batch: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019).

Axes: B batch, C channels, H W image, L timesteps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from popnas.datasets.augmentation.batch import Batch, Mixed

_TINY = 1e-300


@dataclass(frozen=True)
class Mixing:
    """Each example mixed with the next one of its batch, all in the same shares; these are drawn from a
    beta distribution of (`mixup`, `mixup`), or of `cutmix`. Where both are positive every batch gets one
    of them, by chance.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """See `batch.Change`."""
        is_cut = self.mixup == 0 or (self.cutmix > 0 and bool(torch.rand((), generator=generator) < 0.5))
        share = _beta(self.cutmix if is_cut else self.mixup, generator)
        if not is_cut:
            return _blended(batch, share)
        if batch.x.dim() == 4:
            return _image_pasted(batch, share, generator)
        return _series_pasted(batch, share, generator)


def _beta(alpha: float, generator: torch.Generator) -> float:
    one, other = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator).tolist()
    # Of a small alpha both may be too small for a float: then one has all.
    return one / (one + other) if one + other > _TINY else 1.0


def _next(x: Tensor) -> Tensor:
    return x.roll(1, 0)


def _mixed(batch: Batch, x: Tensor, share: float, lengths: Tensor | None) -> Batch:
    """`share` is what each example keeps; its classes are those that have the most of it."""
    mine, others = batch.y, _next(batch.y)
    if share < 0.5:
        mine, others, share = others, mine, 1 - share
    return Batch(x, mine, lengths, Mixed(others, 1 - share))


def _blended(batch: Batch, share: float) -> Batch:
    x = torch.lerp(_next(batch.x), batch.x, share)
    lengths = None if batch.lengths is None else torch.maximum(batch.lengths, _next(batch.lengths))
    return _mixed(batch, x, share, lengths)


def _image_pasted(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """A rectangle of the next image; a mask's pixels come with it."""
    size = batch.x.shape[2:]
    centre = torch.rand(2, generator=generator).tolist()
    rows, columns = (
        _span(extent, (1 - share) ** 0.5, place) for extent, place in zip(size, centre, strict=True)
    )
    x_BCHW = batch.x.clone()
    x_BCHW[:, :, rows, columns] = _next(batch.x)[:, :, rows, columns]
    if batch.y.dim() == 3:
        y_BHW = batch.y.clone()
        y_BHW[:, rows, columns] = _next(batch.y)[:, rows, columns]
        return Batch(x_BCHW, y_BHW, batch.lengths)
    num_pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return _mixed(batch, x_BCHW, 1 - num_pasted / (size[0] * size[1]), batch.lengths)


def _span(extent: int, share: float, centre: float) -> slice:
    """So large a share of an axis about a place on it, as far as there is room."""
    half = extent * share / 2
    start, stop = (round(centre * extent + offset) for offset in (-half, half))
    return slice(max(start, 0), min(stop, extent))


def _series_pasted(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """A piece of the next series at its own place in time; of series of unequal lengths the piece between
    the same shares of both, brought to the length that it had in the example."""
    x_BCL, num_steps = batch.x, batch.x.shape[2]
    length = round(num_steps * (1 - share))
    start = int(torch.randint(num_steps - length + 1, (), generator=generator))
    positions_L = torch.arange(num_steps, device=x_BCL.device)
    if batch.lengths is None:
        is_pasted_L = (positions_L >= start) & (positions_L < start + length)
        x_BCL = torch.where(is_pasted_L, _next(x_BCL), x_BCL)
        return _mixed(batch, x_BCL, 1 - length / num_steps, None)
    scale_B1 = num_steps / batch.lengths[:, None]
    place_BL = (positions_L + 0.5) * scale_B1  # on the longest series
    is_pasted_BL = (place_BL >= start) & (place_BL < start + length)
    is_pasted_BL &= positions_L < batch.lengths[:, None]
    read_BL = (place_BL / num_steps * _next(batch.lengths)[:, None]).long().clamp(max=num_steps - 1)
    others_BCL = _next(x_BCL).gather(2, read_BL[:, None].expand_as(x_BCL))
    x_BCL = torch.where(is_pasted_BL[:, None], others_BCL, x_BCL)
    return _mixed(batch, x_BCL, 1 - length / num_steps, batch.lengths)
