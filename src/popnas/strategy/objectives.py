"""What the strategy must know about an objective, and how predictions are made comparable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True)
class Objective:
    """A name and a direction; `is_computed` if the values are exact (params, FLOPs) and not predicted."""

    name: str
    is_maximized: bool = False
    is_computed: bool = False


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("score", is_maximized=True),
        Objective("time"),
        Objective("inference_time"),
        Objective("params", is_computed=True),
        Objective("flops", is_computed=True),
    )
}

# Powers of ten up to this one are exact in float64, so scaling by them rounds only once.
_EXACT_POWER = 22
# Scaled to an integer of 6 digits, float64 errs by less than 1e-9: only values this near to a half may go
# wrong.
_NEAR_HALF = 1e-6


def round_significant(values: np.ndarray, digits: int = SIGNIFICANT_DIGITS) -> np.ndarray:
    """Values rounded to significant decimal digits, as float64: for 6 digits what `float(f"{x:.5e}")` gives.

    Values that agree in so many digits become exactly equal; NaN and infinities pass through.
    """
    values = np.asarray(values, dtype=np.float64)
    is_regular = np.isfinite(values) & (values != 0)
    magnitudes = np.abs(np.where(is_regular, values, 1.0))
    shift = digits - 1 - np.floor(np.log10(magnitudes)).astype(np.int64)
    powers = 10.0 ** np.minimum(np.abs(shift), _EXACT_POWER)
    scaled = np.where(shift >= 0, magnitudes * powers, magnitudes / powers)
    whole = np.rint(scaled)
    rounded = np.copysign(np.where(shift >= 0, whole / powers, whole * powers), values)
    is_doubtful = (np.abs(np.abs(scaled - whole) - 0.5) < _NEAR_HALF) | (np.abs(shift) > _EXACT_POWER)
    rounded = np.where(is_regular, rounded, values)
    for position in np.argwhere(is_regular & is_doubtful):
        rounded[tuple(position)] = float(f"{values[tuple(position)]:.{digits - 1}e}")
    return rounded
