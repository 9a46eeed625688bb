"""Stratified draws: the sample limit, the validation split, the folds, and test splits of sources that have
none.

Everything follows from counts and a seed, so that every candidate, process and worker sees the same split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popnas.errors import DataError, TooFewError
from popnas.seeds import derive_seed


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """The random numbers of one purpose ("fold", 2)."""
    return np.random.default_rng(derive_seed(seed, *purpose))


def allocate(counts: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """Share `total` out over classes in proportion to `counts`: each gets its quota rounded down or up,
    (classes,) int.

    Largest remainders first; equal remainders are decided by `rng`.
    """
    quotas = counts * (total / counts.sum())
    shares = np.floor(quotas + 1e-9).astype(np.int64)
    order = rng.permutation(len(counts))
    by_remainder = order[np.argsort(-(quotas - shares)[order].round(9), kind="stable")]
    shares[by_remainder[: total - shares.sum()]] += 1
    return shares


def draw(y: np.ndarray, total: int, rng: np.random.Generator, *, num_left: int = 0) -> np.ndarray:
    """Indices, sorted, of `total` examples drawn so that every class has its share within one example.

    `num_left` examples of each class stay behind, even if the draw gets smaller by that.
    """
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    shares = np.minimum(allocate(counts, total, rng), counts - num_left)
    chosen = [rng.permutation(np.flatnonzero(codes == c))[: shares[c]] for c in range(len(classes))]
    return np.sort(np.concatenate(chosen))


def limit_samples(
    y: np.ndarray,
    samples: int,
    rng: np.random.Generator,
    notes: list[str],
    validation_size: float | None = None,
) -> np.ndarray:
    """Indices of a stratified draw of `samples` training examples (`dataset.samples`), from which a share of
    `validation_size` is to be taken afterwards (None: nothing).

    Raises:
        DataError: fewer samples than classes; it says how many are enough for the validation split, too.
    """
    if samples >= len(y):
        notes.append(f"dataset.samples {samples} has no effect: the training data hold {len(y)} examples")
        return np.arange(len(y))
    num_classes = len(np.unique(y))
    if samples < num_classes:
        enough = num_classes
        if validation_size:  # one of each class stays, one goes
            enough = max(2 * num_classes, int(np.ceil(num_classes / validation_size)))
        raise DataError(
            f"dataset.samples is {samples}, but the training data have {num_classes} classes and a draw "
            f"needs at least one example of each. Give at least {enough}"
            + (f", for a validation split of {validation_size:g} of them, too." if validation_size else ".")
        )
    return draw(y, samples, rng)


@dataclass(frozen=True)
class Division:
    """Sorted indices of the two parts."""

    train: np.ndarray
    validation: np.ndarray


def divide(
    y: np.ndarray, validation_size: float, rng: np.random.Generator, class_names: list[str]
) -> Division:
    """Take the fraction `validation_size` (rounded down) out of the examples, every class with its share.

    Classes with a single example stay in training, and each class keeps at least one example there.

    Raises:
        TooFewError: the validation split would be smaller than the number of classes.
    """
    counts = np.bincount(y, minlength=len(class_names))
    can_divide = counts[y] > 1
    num_examples, num_divisible = int(can_divide.sum()), int((counts > 1).sum())
    num_validation = int(np.floor(validation_size * num_examples + 1e-9))
    if num_validation < max(num_divisible, 1):
        message = _too_small(validation_size, num_validation, num_examples, num_divisible)
        raise TooFewError(message, _smallest(num_examples, num_divisible))
    candidates = np.flatnonzero(can_divide)
    chosen = candidates[draw(y[candidates], num_validation, rng, num_left=1)]
    return Division(np.setdiff1d(np.arange(len(y)), chosen), chosen)


def _smallest(num_examples: int, num_classes: int) -> float | None:
    """The share of the examples that has one of each class, None if that is all of them."""
    share = float(np.ceil(1000 * num_classes / num_examples) / 1000) if num_classes else 1.0
    return share if share < 1 else None


def _too_small(validation_size: float, num_validation: int, num_examples: int, num_classes: int) -> str:
    if num_classes == 0:
        return (
            "No validation split can be taken from the training data: no class has more than one example. "
            "Labels that are measurements are no classes. Give more data, or a separate validation split "
            "with dataset.validation_size null."
        )
    smallest = _smallest(num_examples, num_classes)
    remedy = (
        f"Give at least {smallest:g}" if smallest is not None else "Give more data"
    ) + ", or a separate validation split with dataset.validation_size null."
    rule = (
        f"too few for a stratified split over {num_classes} classes" if num_classes > 1 else "needed is one"
    )
    return (
        f"dataset.validation_size {validation_size:g} of {num_examples} training examples makes "
        f"{num_validation} for validation, {rule}. {remedy}"
    )
