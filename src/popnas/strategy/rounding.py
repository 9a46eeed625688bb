"""How predictions are made comparable: rounded, so that noise below the sixth digit ties."""

from __future__ import annotations

import numpy as np

SIGNIFICANT_DIGITS = 6

# Powers of ten up to 10^22 are exact in float64: between these bounds scaling to 6 digits rounds only once.
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-15, 1e15
# Scaled to an integer of 6 digits, float64 errs by less than 1e-9: only values this near to a half may go
# wrong.
_NEAR_HALF = 1e-6


def round_significant(values: np.ndarray, digits: int = SIGNIFICANT_DIGITS) -> np.ndarray:
    """Values rounded to significant decimal digits, as float64: for 6 digits what `float(f"{x:.5e}")` gives.

    Values that agree in so many digits become exactly equal; NaN and infinities pass through.
    """
    values = np.asarray(values, dtype=np.float64)
    magnitudes = np.abs(values)
    # What is too large or small to be scaled exactly is left to the formatting.
    is_plain = (magnitudes > _SMALLEST_PLAIN) & (magnitudes < _LARGEST_PLAIN)
    magnitudes = np.where(is_plain, magnitudes, 1.0)
    shift = digits - 1 - np.floor(np.log10(magnitudes)).astype(np.int64)
    powers = 10.0 ** np.abs(shift)
    scaled = np.where(shift >= 0, magnitudes * powers, magnitudes / powers)
    whole = np.rint(scaled)
    rounded = np.copysign(np.where(shift >= 0, whole / powers, whole * powers), values)
    is_near_half = np.abs(np.abs(scaled - whole) - 0.5) < _NEAR_HALF
    rounded[values == 0] = 0.0
    for position in np.argwhere((~is_plain & (values != 0)) | is_near_half):
        rounded[tuple(position)] = float(f"{values[tuple(position)]:.{digits - 1}e}")
    return rounded
