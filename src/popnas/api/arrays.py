"""Users' arrays: one convention for all of Python's side of popnas.

- Images: (n, height, width) or (n, height, width, channels), values 0..255, as image files hold them.
- Series: (n, channels, timesteps), as aeon has them; (n, timesteps) if there is one channel; series of
  unequal lengths as a list of (channels, timesteps) arrays.

Values are raw: scaling and normalisation happen inside the model. Networks take the channels first, data
files hold them last; both are made here.

Axes: N examples, C channels, T timesteps, S spatial size (H W or T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popnas.errors import DataError

TASKS_BY_DIMS = {1: "time_series_classification", 2: "image_classification"}


class InputError(DataError, ValueError):
    """Arrays that do not suit; also a ValueError, as NumPy's and scikit-learn's users expect."""


@dataclass(frozen=True)
class Examples:
    """Checked examples: `x` images (n, h, w, c) or series (n, c, t); `lengths` (n,) int64 of series that end
    at different times (zeros after the end), else None."""

    x: np.ndarray
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)


def images(x: Any) -> Examples:
    """Images (n, h, w[, c]) of numbers in 0..255, as (n, h, w, c).

    Raises:
        InputError: another shape, values that are no pixels.
    """
    if isinstance(x, (list, tuple)) and len({np.shape(one) for one in x}) > 1:
        shapes = ", ".join(str(shape) for shape in dict.fromkeys(np.shape(one) for one in x[:8]))
        raise InputError(f"images must be of one size in a call, got {shapes}. Call once for each size.")
    array = _numbers(x, "images")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape[1:]:
        raise InputError(
            f"images must have the shape (n, height, width) or (n, height, width, channels), got "
            f"{np.shape(x)}.{_single(array, 3)}"
        )
    if array.shape[1] in (1, 3) and array.shape[3] not in (1, 3, 4):
        raise InputError(
            f"images must have the channels last, got {array.shape}, which looks like channels first. "
            "Convert with numpy.moveaxis(x, 1, -1)."
        )
    if len(array) and array.dtype != np.uint8:
        _check_pixels(array)
    return Examples(array)


def series(x: Any, lengths: Any = None) -> Examples:
    """Series (n, c, t), (n, t), or a list of (c, t_i), as (n, c, t) float32, with lengths if they differ.

    Raises:
        InputError: another shape, no numbers, NaN or infinite values, lengths that do not fit.
    """
    if isinstance(x, (list, tuple)) and len({np.shape(one) for one in x}) > 1:
        if lengths is not None:
            raise InputError("lengths are those of the arrays when series come as a list; leave them out.")
        return _ragged([_numbers(one, f"series {i}") for i, one in enumerate(x)])
    array = _numbers(x, "series")
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise InputError(
            f"series must have the shape (n, channels, timesteps), or (n, timesteps) for one channel, got "
            f"{np.shape(x)}.{_single(array, 2)}"
        )
    _check_finite(array)
    return Examples(array.astype(np.float32, copy=False), _checked_lengths(lengths, array))


def as_stored(examples: Examples, num_dims: int) -> np.ndarray:
    """The examples as data files hold them: images uint8 (n, h, w, c), series float32 (n, t, c).

    Raises:
        InputError: pixels that are no whole numbers.
    """
    x = examples.x
    if num_dims == 1:
        return np.ascontiguousarray(np.moveaxis(x, 1, -1))
    if x.dtype.kind == "f" and (x != np.floor(x)).any():
        raise InputError(
            f"images to learn from must be bytes of 0..255, got {x.dtype} with fractions. Round them: "
            "x.round().astype('uint8')."
        )
    return x.astype(np.uint8, copy=False)


def channels_first(x: np.ndarray, num_dims: int) -> np.ndarray:
    """Network input (n, c, ...) float32."""
    moved = np.moveaxis(x, -1, 1) if num_dims == 2 else x
    return np.ascontiguousarray(moved, dtype=np.float32)


def _numbers(x: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(x)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be an array of numbers: {error}.") from error
    if array.dtype.kind not in "iubf":
        raise InputError(f"{what} must be numbers, got an array of the type {array.dtype}.")
    return array


def _single(array: np.ndarray, num_axes: int) -> str:
    return " For a single example add the first axis: x[None]." if array.ndim == num_axes - 1 else ""


def _check_finite(array: np.ndarray) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        kind = "NaN" if np.isnan(array[place]) else "infinity"
        raise InputError(f"input contains {kind}, first at index {place}. Fill in or remove such examples.")


def _check_pixels(array: np.ndarray) -> None:
    _check_finite(array)
    low, high = array.min(), array.max()
    if low < 0 or high > 255:
        raise InputError(
            f"images must have values in 0..255, got {low:g}..{high:g}. Undo any normalisation: it is inside "
            "the model."
        )
    if high <= 1 and array.dtype.kind == "f" and (array != np.floor(array)).any():
        raise InputError(
            f"images must have values in 0..255, got fractions in {low:g}..{high:g}. If white is 1, convert "
            "with (x * 255).round().astype('uint8')."
        )


def _checked_lengths(lengths: Any, array_NCT: np.ndarray) -> np.ndarray | None:
    if lengths is None:
        return None
    found, longest = np.asarray(lengths), array_NCT.shape[2]
    if found.shape != (len(array_NCT),) or found.dtype.kind not in "iu":
        raise InputError(
            f"lengths must be integers of shape ({len(array_NCT)},), got {found.dtype} {found.shape}."
        )
    if len(found) and (found.min() < 1 or found.max() > longest):
        raise InputError(
            f"lengths must lie in 1..{longest}, the timesteps of x, got {found.min()}..{found.max()}."
        )
    return found.astype(np.int64)


def _ragged(items: Sequence[np.ndarray]) -> Examples:
    items = [one[None, :] if one.ndim == 1 else one for one in items]
    channels = items[0].shape[0]
    for i, one in enumerate(items):
        if one.ndim != 2 or one.shape[0] != channels or one.shape[1] == 0:
            raise InputError(
                f"series of unequal lengths must be arrays (channels, timesteps) of {channels} channels, as "
                f"the first is, but series {i} has the shape {one.shape}."
            )
        _check_finite(one)
    lengths = np.array([one.shape[1] for one in items], dtype=np.int64)
    x_NCT = np.zeros((len(items), channels, int(lengths.max())), dtype=np.float32)
    for i, one in enumerate(items):
        x_NCT[i, :, : one.shape[1]] = one
    return Examples(x_NCT, lengths)
