"""Which labels of masks are which class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from popnas.datasets.masks.mask_files import IGNORED, NUM_LABELS
from popnas.errors import DataError, nearest

MAX_CLASSES = 255


def count_labels(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a mask, sorted, and the number of pixels of each."""
    counts = np.bincount(mask.ravel().astype(np.uint16, copy=False), minlength=1)
    labels = np.flatnonzero(counts)
    return labels, counts[labels]


def no_labels(mask: np.ndarray, name: str) -> DataError:
    """Words for a mask of numbers that are no labels, with the line that makes some of the array y of it."""
    rule = f"masks hold whole numbers in 0..{NUM_LABELS - 1}"
    is_finite = np.isfinite(mask)
    values = mask[is_finite]
    low, high = (values.min().item(), values.max().item()) if values.size else (0, 0)
    what = f"The mask {name} is {mask.dtype.name} in {low:g}..{high:g}" + " with NaN" * (not is_finite.all())
    unlabelled = IGNORED if high < IGNORED else int(high) + 1
    dtype = "uint8" if max(high, unlabelled * (low < 0)) <= IGNORED else "uint16"
    if (values % 1).any():
        remedy = "Take the masks as they were before they were smoothed or resized"
        if low >= 0 and high <= 1:
            remedy = "Probabilities of one class become two labels with (y > 0.5).astype('uint8')"
    elif high >= NUM_LABELS - 1 and (low < 0 or high >= NUM_LABELS):
        remedy = "Number the labels anew with numpy.unique(y, return_inverse=True)[1].reshape(y.shape)"
    elif low < 0 or not is_finite.all():
        remedy = (
            f"Give unlabelled pixels a label of their own, numpy.where(y >= 0, y, {unlabelled})"
            f".astype('{dtype}'), and name it: dataset.ignore_class {unlabelled}"
        )
    return DataError(f"{what}; {rule}. {remedy}.")


@dataclass(frozen=True)
class MaskClasses:
    """Which label is which class: `index_of` (labels,) uint8 holds class indices, `IGNORED` for the rest."""

    index_of: np.ndarray
    is_known: np.ndarray
    names: list[str]

    def encode(self, mask: np.ndarray) -> np.ndarray:
        """Labels (h, w) or (n, h, w) of any type (True is 1, 2.0 is 2) to class indices, uint8."""
        # numpy would take booleans for a selection.
        return self.index_of[mask if mask.dtype.kind in "iu" else mask.astype(np.uint16)]


def find_classes(
    found: Mapping[str, np.ndarray],
    *,
    place: str,
    classes_count: int | None,
    ignore_class: int | None,
    remapping: Mapping[str, int] | None,
    label_names: Sequence[str] | None,
    notes: list[str],
) -> MaskClasses:
    """The classes of a data set whose masks hold the labels `found` (sorted, by split).

    Labels that `remapping` names are replaced first. The ignored label is never a class. With
    `classes_count` N the classes are the labels 0 to N-1 without the ignored one, else the labels that occur
    in training masks, sorted.

    Raises:
        DataError: fewer than two classes, more than 255, or a remapping of labels that do not occur. Labels
            that are no class are found where masks are counted (`is_known`).
    """
    target = np.arange(NUM_LABELS)
    occurring = np.unique(np.concatenate(list(found.values())))
    for label, new in (remapping or {}).items():
        if label not in map(str, occurring.tolist()):
            known = [str(value) for value in occurring.tolist()]
            raise DataError(
                f"dataset.class_labels_remapping names the label '{label}', which does not occur in the "
                f"masks of {place}.{nearest(label, known)} Its labels are: {listed(occurring)}."
            )
        target[int(label)] = new
    in_training = set(target[found["train"]].tolist())
    if ignore_class is not None and ignore_class not in set(target[occurring].tolist()):
        notes.append(f"dataset.ignore_class {ignore_class} occurs in no mask")
    labels = _class_labels(in_training, classes_count, ignore_class, notes)
    if not 2 <= len(labels) <= MAX_CLASSES:
        made = (
            f"The training masks of {place} hold"
            if classes_count is None
            else f"dataset.classes_count {classes_count} makes"
        )
        is_smoothed = len(labels) > 2 and classes_count is None
        raise DataError(
            f"{made} {len(labels)} class{'es' * (len(labels) != 1)} ({listed(labels)}), and 2 to "
            f"{MAX_CLASSES} are needed."
            + " Masks that were smoothed when they were resized have such values."
            * is_smoothed
        )
    by_label = np.full(NUM_LABELS, IGNORED, dtype=np.uint8)
    by_label[labels] = np.arange(len(labels))
    is_known = np.zeros(NUM_LABELS, dtype=bool)
    is_known[labels] = True
    if ignore_class is not None:
        is_known[ignore_class] = True
    return MaskClasses(
        by_label[target],
        is_known[target],
        _names(labels, target, occurring, label_names, is_remapped=bool(remapping)),
    )


def _class_labels(
    in_training: set[int], classes_count: int | None, ignore_class: int | None, notes: list[str]
) -> list[int]:
    if classes_count is None:
        labels = sorted(in_training - {ignore_class})
        if len(labels) > 2 and labels[-1] == 255 and labels[-2] < 254:
            notes.append(
                "the mask value 255 counts as a class; if it means unlabelled, set dataset.ignore_class to "
                "255"
            )
        return labels
    if ignore_class is not None and ignore_class < classes_count:
        notes.append(
            f"dataset.ignore_class {ignore_class} is one of the {classes_count} labels of "
            "dataset.classes_count: "
            f"it is no class, so the network tells {classes_count - 1} classes apart"
        )
    return [label for label in range(classes_count) if label != ignore_class]


def _names(
    labels: Sequence[int],
    target: np.ndarray,
    occurring: np.ndarray,
    label_names: Sequence[str] | None,
    *,
    is_remapped: bool,
) -> list[str]:
    def name(label: int) -> str:
        return label_names[label] if label_names is not None and label < len(label_names) else str(label)

    if not is_remapped:
        return [name(label) for label in labels]
    sources = {label: [name(int(v)) for v in occurring if target[v] == label] for label in labels}
    return ["/".join(sources[label]) or str(label) for label in labels]


def listed(labels: Sequence[int] | np.ndarray, limit: int = 12) -> str:
    """Labels for a message: `0, 1, 2, ... (300 in all)`."""
    shown = ", ".join(str(label) for label in list(labels)[:limit])
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > limit else "") if len(labels) else "none"
