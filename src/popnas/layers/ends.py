"""Where the series of a batch end, so that nothing behind an end reaches what comes before it.

Every map of a network with lengths is zero behind each series' end. A layer gets such a map with its `Ends`
and gives one back, and computes at the end what it would compute if the map ended there: an average counts
no position behind it, a maximum sees none, an interpolation goes on with the last value. So a series' result
does not depend on its padding, nor on the other series of the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


class Ends:
    """The lengths (B,) of the series of a batch, counted in positions of the maps of one resolution.

    `of` is the resolution that this one is `factor` times finer than. Masks and coarser resolutions are made
    once.
    """

    def __init__(self, lengths_B: Tensor, of: Ends | None = None, factor: int = 1) -> None:
        self.lengths_B = lengths_B
        self.of = of
        self.factor = factor
        self._coarser: dict[int, Ends] = {}
        self._masks: dict[torch.dtype, Tensor] = {}
        self._num_positions: Tensor | None = None

    @property
    def num_positions(self) -> Tensor:
        """How many positions of all series lie before their ends, (), float32."""
        if self._num_positions is None:
            self._num_positions = self.lengths_B.sum().float()
        return self._num_positions

    def shrunk(self, stride: int) -> Ends:
        """Behind layers of that total stride: ceil(length / stride)."""
        if self.of is not None and stride % self.factor == 0:
            return self.of.shrunk(stride // self.factor)
        if stride == 1:
            return self
        if stride not in self._coarser:
            self._coarser[stride] = Ends(shrink_lengths(self.lengths_B, stride))
        return self._coarser[stride]

    def stretched(self, factor: int) -> Ends:
        """Where every position has become `factor` positions."""
        return Ends(self.lengths_B * factor, self, factor)

    def mask(self, x_BC1L: Tensor) -> Tensor:
        """1 before each end and 0 behind it, (B, 1, 1, L), in the type of a map of this resolution."""
        if x_BC1L.dtype not in self._masks:
            positions_L = torch.arange(x_BC1L.shape[3], device=x_BC1L.device)
            is_inside_BL = positions_L < self.lengths_B[:, None]
            self._masks[x_BC1L.dtype] = is_inside_BL[:, None, None].to(x_BC1L.dtype)
        return self._masks[x_BC1L.dtype]

    def cut(self, x_BC1L: Tensor) -> Tensor:
        """The map with zeros behind each end."""
        return x_BC1L * self.mask(x_BC1L)

    def prolonged(self, x_BC1L: Tensor) -> Tensor:
        """The map with each series' last value once more, behind its end."""
        mask_B11L = self.mask(x_BC1L)
        return x_BC1L + _later(x_BC1L) * (_later(mask_B11L) - mask_B11L).clamp(min=0)


def mean_before_ends(pool: Callable[[Tensor], Tensor], x_BC1L: Tensor, ends: Ends, after: Ends) -> Tensor:
    """An average pool of a map that is zero behind its ends, over the positions before them."""
    y_BC1L = pool(x_BC1L)
    # Of each window the share that lies before the end; behind it anything will do.
    shares_B11L = pool(ends.mask(x_BC1L)).clamp(min=1e-6)
    return y_BC1L * (after.mask(y_BC1L) / shares_B11L)


def _later(x_BC1L: Tensor) -> Tensor:
    """Every value one position later."""
    return functional.pad(x_BC1L, (1, -1))


def shrink_lengths(lengths_B: Tensor, stride: int) -> Tensor:
    """Lengths behind layers of that total stride: ceil(length / stride)."""
    return torch.div(lengths_B + (stride - 1), stride, rounding_mode="floor")
