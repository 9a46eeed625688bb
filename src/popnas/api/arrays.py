"""Users' arrays: one convention for all of Python's side of popnas.

- Images: (n, height, width) or (n, height, width, channels), values 0..255, as image files hold them.
- Series: (n, channels, timesteps), as aeon has them; (n, timesteps) if there is one channel; series of
  unequal lengths as a list (or an array of objects) of (channels, timesteps) or (timesteps,) arrays.

Values are raw: scaling and normalisation happen inside the model. Networks take the channels first, data
files hold them last; both are made here.

Axes: N examples, C channels, T timesteps, S spatial size (H W or T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popnas.datasets.series import LARGEST
from popnas.errors import DataError


class InputError(DataError, ValueError):
    """Arrays that do not suit; also a ValueError, as NumPy's and scikit-learn's users expect."""


class InputTypeError(InputError, TypeError):
    """Values that are no numbers; also a TypeError, as scikit-learn's users expect."""


@dataclass(frozen=True)
class Examples:
    """Checked examples: `x` images (n, h, w, c) or series (n, c, t); `lengths` (n,) int64 of series that end
    at different times (zeros after the end), else None; `given`: the shape of the array that came, before an
    axis was added, None of a list of series."""

    x: np.ndarray
    lengths: np.ndarray | None = None
    given: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.x)


def read(x: Any, what: str = "X") -> np.ndarray | list[np.ndarray]:
    """The numbers that were given: one array, or the arrays of examples that differ in shape.

    Lists, tuples and arrays of objects may hold arrays; tables (DataFrames) are arrays.

    Raises:
        InputError: what is no number, is masked or sparse.
    """
    if isinstance(x, np.ndarray) and x.dtype.kind == "O" and x.ndim == 1 and _holds_arrays(x):
        x = list(x)
    if isinstance(x, (list, tuple)) and _holds_arrays(x):
        items = [_numbers(one, f"{what}[{i}]") for i, one in enumerate(x)]
        return np.stack(items) if len({one.shape for one in items}) == 1 else items
    return _numbers(x, what)


def images(x: Any) -> Examples:
    """Images (n, h, w[, c]) of numbers in 0..255, as (n, h, w, c).

    Raises:
        InputError: another shape, values that are no pixels: truth values among them, whose white would be
            1 of 255.
    """
    array = read(x)
    if isinstance(array, list):
        shapes = ", ".join(map(str, dict.fromkeys(one.shape for one in array[:8])))
        raise InputError(f"images must be of one size in a call, got {shapes}. Call once for each size.")
    given = array.shape
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape[1:]:
        raise InputError(
            f"images must have the shape (n, height, width) or (n, height, width, channels), got {given}."
            f"{single_remedy(x) if array.ndim == 2 else ''}"
        )
    if array.shape[1] in (1, 3) and array.shape[3] not in (1, 3, 4):
        raise InputError(
            f"images must have the channels last, got {array.shape}, which looks like channels first. "
            "Convert with numpy.moveaxis(x, 1, -1)."
        )
    if len(array) and array.dtype != np.uint8:
        _check_pixels(array)
    return Examples(array, given=given)


def series(x: Any, lengths: Any = None) -> Examples:
    """Series (n, c, t), (n, t), or a list of (c, t_i) or (t_i,), as (n, c, t), with lengths if they
    differ. What lies behind given `lengths` may be anything.

    Raises:
        InputError: another shape, no numbers, NaN, infinite or too large values, lengths that do not fit.
    """
    array = read(x)
    if isinstance(array, list):
        if lengths is not None:
            raise InputError("lengths are those of the arrays when series come as a list; leave them out.")
        return _ragged(array)
    given = array.shape
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise InputError(
            "series must have the shape (n, channels, timesteps), or (n, timesteps) for one channel, got "
            f"{given}. Series of unequal lengths are a list of (channels, timesteps) arrays."
            f"{single_remedy(x) if array.ndim == 1 else ''}"
        )
    ends = _checked_lengths(lengths, array)
    if ends is not None:
        is_inside_NT = np.arange(array.shape[2]) < ends[:, None]
        array = np.where(is_inside_NT[:, None], array, 0)
    _check_values(array)
    return Examples(array, ends, given)


def as_stored(examples: Examples, num_dims: int) -> np.ndarray:
    """The examples as data files hold them: images uint8 (n, h, w, c), series of their own type (n, t, c), so
    that what float32 cannot hold is found there.

    Raises:
        InputError: pixels that are no whole numbers.
    """
    x = examples.x
    if num_dims == 1:
        return np.ascontiguousarray(np.moveaxis(x, 1, -1))
    if x.dtype.kind == "f" and (x != np.floor(x)).any():
        raise InputError(
            f"images to learn from must be bytes of 0..255, got {x.dtype.name} with fractions. Round them: "
            "x.round().astype('uint8')."
        )
    return x.astype(np.uint8, copy=False)


def channels_first(x: np.ndarray, num_dims: int) -> np.ndarray:
    """Network input (n, c, ...) float32."""
    moved = np.moveaxis(x, -1, 1) if num_dims == 2 else x
    return np.ascontiguousarray(moved, dtype=np.float32)


def check_dense(x: Any, what: str, members: str) -> None:
    """Raises InputError for what is sparse, or has masked `members`."""
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        raise InputError(
            f"{what} is a sparse {type(x).__name__}; only dense arrays are taken: {what}.toarray()."
        )
    if isinstance(x, np.ma.MaskedArray) and np.ma.getmaskarray(x).any():
        raise InputError(f"{what} has masked {members}. Fill them in, or remove such examples.")


def _holds_arrays(x: Sequence[Any] | np.ndarray) -> bool:
    """Whether the members are arrays, and not rows of numbers that make one."""
    if len(x) and all(isinstance(one, np.ndarray) and one.ndim for one in x):
        return True
    try:
        return np.asarray(x).dtype.kind == "O" and all(np.ndim(one) for one in x)
    except (TypeError, ValueError, RuntimeError):  # rows of unequal lengths, or worse
        return any(isinstance(one, (list, tuple)) or hasattr(one, "__array__") for one in x)


def _numbers(x: Any, what: str) -> np.ndarray:
    """An array of numbers; raises InputError."""
    check_dense(x, what, "values")
    try:
        array = np.asarray(x)
    except Exception:  # whatever the conversion of foreign types raises
        array = np.array(None)
    if array.ndim == 0 and (array.dtype.kind == "O" or not np.isscalar(x)):
        raise InputError(f"{what} must be an array of numbers of a regular shape, got {_kind(x)}.")
    if array.dtype.kind == "O":
        array = _unboxed(array, what)
    if array.dtype.kind == "c":
        raise InputError(f"Complex data not supported: {what} must be real numbers.")
    if array.dtype.kind not in "iubf":
        raise InputError(f"{what} must be numbers, got an array of the type {array.dtype}.")
    return array


def _unboxed(array: np.ndarray, what: str) -> np.ndarray:
    """Numbers that came as objects, None as NaN; raises InputError."""
    for place, value in np.ndenumerate(array):
        try:
            is_number = value is None or (
                not isinstance(value, (str, bytes, complex)) and np.ndim(value) == 0
            )
            float(np.nan if value is None else value) if is_number else None
        except (TypeError, ValueError, OverflowError, RuntimeError):
            is_number = False
        if not is_number:
            raise InputTypeError(
                f"{what} holds {_kind(value)} at index {place}; each value of this argument must be no "
                "string and no other object, but a number"
                f"{' that float64 can hold' if isinstance(value, int) else ''}."
            )
    return array.astype(np.float64)


def _kind(value: Any) -> str:
    """A value in a message: short ones as they are, with their type."""
    text = repr(value)
    name = type(value).__name__
    return (
        f"{text} ({name})"
        if len(text) <= 40 and "\n" not in text and value is not None
        else ("None" if value is None else f"a {name}")
    )


def single_remedy(x: Any) -> str:
    """What to do with an example that came alone: the rest of a message."""
    way = "x[None]" if isinstance(x, np.ndarray) else "numpy.asarray(x)[None]"
    return f" For a single example add the first axis: {way}."


def _check_values(array_NCT: np.ndarray, example: int | None = None) -> None:
    """Raises InputError for values that are no numbers to a network; `example`: the place of the only one."""
    if array_NCT.dtype.kind != "f" or not array_NCT.size:
        return
    # Both extremes are NaN where any value is.
    if max(abs(float(array_NCT.min())), abs(float(array_NCT.max()))) <= LARGEST:
        return
    is_wrong = ~(np.abs(array_NCT) <= LARGEST)
    place = tuple(int(i) for i in np.argwhere(is_wrong)[0])
    value = array_NCT[place]
    index = place if example is None else (example, *place)
    if np.isnan(value):
        raise InputError(f"X contains NaN, first at index {index}. Fill in or remove such examples.")
    if np.isinf(value):
        raise InputError(f"X contains infinity, first at index {index}. Fill in or remove such examples.")
    raise InputError(
        f"example {index[0]} of X holds {float(value):g} at index {index}, but values must lie within "
        f"-{LARGEST:g}..{LARGEST:g}: networks compute in float32, which ends at 3.4e38. Rescale X."
    )


def _check_pixels(array: np.ndarray) -> None:
    _check_values(array)
    if array.dtype.kind == "b":
        raise InputError(
            "images must have values in 0..255, got truth values, whose white would be 1 of 255. If True is "
            "white, convert with x * numpy.uint8(255). A model that learnt from 0 and 1 as they are takes "
            "x.astype('uint8')."
        )
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
            f"lengths must be integers of shape ({len(array_NCT)},), got {found.dtype.name} {found.shape}."
        )
    if len(found) and (found.min() < 1 or found.max() > longest):
        raise InputError(
            f"lengths must lie in 1..{longest}, the timesteps of x, got {found.min()}..{found.max()}."
        )
    return found.astype(np.int64)


def _ragged(items: Sequence[np.ndarray]) -> Examples:
    items = [one[None, :] if one.ndim == 1 else one for one in items]
    for i, one in enumerate(items):
        what = "series of unequal lengths must be arrays (channels, timesteps)"
        if one.ndim != 2:
            raise InputError(f"{what}, but series {i} has the shape {one.shape}.")
        if 0 in one.shape:
            raise InputError(f"{what}, but series {i} has the shape {one.shape}: it is empty. Leave it out.")
        if one.shape[0] != items[0].shape[0]:
            raise InputError(
                f"{what} of {items[0].shape[0]} channels, as the first is, but series {i} has the shape "
                f"{one.shape}."
            )
        _check_values(one, i)
    channels = items[0].shape[0]
    lengths = np.array([one.shape[1] for one in items], dtype=np.int64)
    x_NCT = np.zeros((len(items), channels, int(lengths.max())), dtype=np.result_type(*items))
    for i, one in enumerate(items):
        x_NCT[i, :, : one.shape[1]] = one
    return Examples(x_NCT, lengths)
