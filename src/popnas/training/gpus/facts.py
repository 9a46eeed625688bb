"""What was measured of a kind of device, and how networks are placed by it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch

from popnas.placement import Placement
from popnas.records import Record

Precision = Literal["float32", "bfloat16", "float16"]
TYPES: dict[Precision, torch.dtype | None] = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
LEAST_GAIN = 1.1
"""So many times as fast another choice must be than the plainer one: less may be chance."""


@dataclass(frozen=True)
class TimedStep(Record):
    """A training step in one type of numbers and layout of maps, in seconds."""

    precision: Precision
    is_channels_last: bool
    seconds: float


@dataclass(frozen=True)
class DeviceFacts(Record):
    """What was measured of a kind of device with a version of PyTorch; `flops`: of a step's forward pass."""

    kind: str
    version: str
    flops: int
    steps: tuple[TimedStep, ...]

    @property
    def is_whole(self) -> bool:
        """Whether there is a time of every precision and layout, as whoever measures leaves it."""
        found = sorted((step.precision, step.is_channels_last) for step in self.steps)
        return found == sorted(product(TYPES, (False, True))) and all(step.seconds > 0 for step in self.steps)

    def _in(self, precision: Precision) -> TimedStep:
        """In the layout that suits the type."""
        plain, last = sorted(
            (step for step in self.steps if step.precision == precision),
            key=lambda step: step.is_channels_last,
        )
        return last if last.seconds * LEAST_GAIN <= plain.seconds else plain

    def best(self, has_mixed_precision: bool) -> TimedStep:
        """What to train in: float32 unless others are asked for and faster, and of these bfloat16, which
        needs no scaling, unless float16 is faster."""
        best = self._in("float32")
        for precision in ("bfloat16", "float16") if has_mixed_precision else ():
            step = self._in(precision)
            if step.seconds * LEAST_GAIN <= best.seconds:
                best = step
        return best

    def placement(
        self, device: torch.device, *, num_dims: int, filters: int, has_mixed_precision: bool
    ) -> Placement:
        """As `Placement.on`, by what was measured; the layout of series and of odd numbers of filters was
        not."""
        ruled = Placement.on(device, num_dims=num_dims, filters=filters)
        best = self.best(has_mixed_precision)
        layout = torch.channels_last if ruled.memory_format and best.is_channels_last else None
        return Placement(device, layout, TYPES[best.precision], self.flops / best.seconds)

    def why_not_mixed(self) -> str | None:
        """A sentence's end on why two-byte floats are not computed in; None if they are."""
        if self.best(has_mixed_precision=True).precision != "float32":
            return None
        fastest = min(self._in("bfloat16").seconds, self._in("float16").seconds)
        gain = self._in("float32").seconds / fastest
        return (
            f"a training step in numbers of two bytes was {gain:.2f} times as fast as in float32 when it was "
            f"measured on {self.kind}, and they are taken from {LEAST_GAIN:g} times on"
        )
