"""Users' labels: one per example, of one kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from popnas.api.arrays import InputError, InputTypeError, check_dense
from popnas.errors import UserError


@contextmanager
def scikit_learn_errors() -> Iterator[None]:
    """What scikit-learn says of X and y, in its words, as an InputError."""
    try:
        yield
    except UserError:
        raise
    except TypeError as error:
        raise InputTypeError(str(error)) from error
    except ValueError as error:
        raise InputError(str(error)) from error


def labels(y: Any, num_examples: int) -> np.ndarray:
    """The labels (n,) of so many examples, of a kind that can be written as text and sorted.

    Raises:
        InputError: another number of labels, labels of several kinds, missing ones, numbers that are no
            classes.
    """
    if y is None:
        raise InputError("This estimator requires y to be passed, but the target y is None.")
    check_dense(y, "y", "labels")
    check_one_label_each(y)
    array = np.asarray(y)
    _check_shape_and_type(array)
    with scikit_learn_errors():
        # scikit-learn makes float64 of pandas' nullable integers: 2^53 and 2^53 + 1 become one class.
        found = column_or_1d(array if array.dtype.kind in "biu" else y, warn=True)
        check_consistent_length(range(num_examples), found)
        if found.dtype.kind == "O":
            found = _unboxed(found)
        _check_finite(found)
        _check_whole(found)
        check_classification_targets(found)
    return found


def _check_shape_and_type(y: np.ndarray) -> None:
    if y.ndim != 1 and (y.ndim, *y.shape[1:]) != (2, 1):
        remedy = " One-hot labels become classes with y.argmax(axis=1)." if y.ndim == 2 else ""
        raise InputError(
            f"y should be a 1d array, one label per example, got an array of shape {y.shape} instead.{remedy}"
        )
    if y.dtype.kind not in "biufUSOT":
        raise InputError(
            f"y must hold whole numbers or texts, got labels of the type {y.dtype}. Convert with "
            "y.astype(str)."
        )


def _check_finite(y: np.ndarray) -> None:
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        i = int(np.flatnonzero(~np.isfinite(y))[0])
        kind = "NaN" if np.isnan(y[i]) else "infinity"
        raise InputError(f"Input y contains {kind}, first at index {i}. Remove such examples.")


def _check_whole(y: np.ndarray) -> None:
    """Raises InputError for numbers that are no classes; scikit-learn casts them first, and warns of that."""
    if y.dtype.kind != "f":
        return
    is_wrong = (y % 1 != 0) | (np.abs(y) >= 2.0**63)
    if is_wrong.any():
        i = int(is_wrong.argmax())
        raise InputError(
            f"Unknown label type: continuous. y holds {y[i]:g} at index {i}, but classes that are numbers "
            "are whole and within 64 bits. If each number is a class of its own, convert with y.astype(str)."
        )


def _unboxed(y: np.ndarray) -> np.ndarray:
    """Labels that came as objects, numbers in an array of numbers; raises InputError."""
    for i, label in enumerate(y):
        if _is_missing(label):
            raise InputError(f"y contains no label for example {i}: {label!r}, a missing value (NaN).")
    kinds = {str if isinstance(label, str) else type(label) for label in y}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(
            f"y must hold labels of one type, got {names}. Convert with [str(label) for label in y]."
        )
    if all(issubclass(kind, (bool, int, float, np.number, np.bool_)) for kind in kinds):
        y = np.array(y.tolist())
        if y.dtype.kind == "O":
            raise InputError("y holds integers beyond 64 bits. Convert with [str(label) for label in y].")
    return y


def _is_missing(label: Any) -> bool:
    """None, NaN, and pandas's NA, which says neither yes nor no to any comparison."""
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, (float, np.floating)) and bool(np.isnan(label))


def check_one_label_each(y: Any) -> None:
    """Raises InputError for masks, of one size or of many."""
    try:
        shape = np.asarray(y).shape
    except ValueError:  # arrays of several shapes
        shape = None
    if shape is None or len(shape) > 2:
        got = "arrays of several shapes" if shape is None else shape
        raise InputError(
            f"y must hold one label per example, (n,), got {got}. Masks are for segmentation: write them "
            "into files with their images, search with popnas.search, use popnas.load."
        )
