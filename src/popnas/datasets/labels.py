"""Labels of any kind to class indices: order, remapping, the range rule, and class weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from popnas.datasets import label_notes
from popnas.datasets.findings import Notes, explained
from popnas.errors import DataError, nearest
from popnas.printable import shortened, told_apart

_NUM_SHOWN = 12


@dataclass(frozen=True)
class Encoding:
    """Class indices y per split, (n,) int64, and the classes' names in order of index."""

    y: dict[str, np.ndarray]
    class_names: list[str]


def encode(
    labels: Mapping[str, np.ndarray],
    *,
    place: str,
    classes_count: int | None = None,
    remapping: Mapping[str, int] | None = None,
    label_names: Sequence[str] | None = None,
    notes: Notes,
) -> Encoding:
    """Class indices from the labels of each split.

    Classes are the sorted labels of the training split, numbers as numbers and before words. Labels that
    `remapping` names are replaced first. Fewer integer labels than `classes_count`, all below it, are class
    indices as they stand. `label_names[i]` is the display name of the label i, where a source knows it.

    Raises:
        DataError: labels that are no labels, unknown or out of range, a remapping of labels that do not
            occur, fewer than two classes.
    """
    texts = {split: _texts(values, split, place) for split, values in labels.items()}
    originals = {split: unique for split, (unique, _) in texts.items()}
    label_notes.add(labels, originals, notes)
    mapping = {label: label for unique in originals.values() for label in unique}
    if remapping:
        _check_remapping(remapping, mapping, place)
        mapping.update({label: str(index) for label, index in remapping.items()})
    found = sorted({mapping[label] for label in originals["train"]}, key=_order)
    merged = label_notes.merged([values for split, values in labels.items() if split != "test"])
    if remapping and len(found) < len(originals["train"]):
        shown = ", ".join(
            f"{shortened(label)} to {new}" for label, new in list(remapping.items())[:_NUM_SHOWN]
        )
        merged.append(f"dataset.class_labels_remapping maps {shown}{', ...' * (len(remapping) > _NUM_SHOWN)}")
    with explained(merged):
        classes = _classes(found, classes_count, place, notes.learnt)
    index = {label: i for i, label in enumerate(classes)}
    y = {split: _indices(values, mapping, index, split, place) for split, values in texts.items()}
    return Encoding(y, _display_names(classes, mapping, label_names, bool(remapping)))


def class_weights(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Weights (classes,) float32 that balance the loss over the examples y (n,): see `balancing_weights`."""
    return balancing_weights(np.bincount(y, minlength=num_classes))


def balancing_weights(counts: np.ndarray) -> np.ndarray:
    """1 / (classes x share of the class), (classes,) float32; 0 for a class without examples (or pixels)."""
    return np.where(counts > 0, counts.sum() / (len(counts) * np.maximum(counts, 1)), 0).astype(np.float32)


def _texts(values: np.ndarray, split: str, place: str) -> tuple[list[str], np.ndarray]:
    """The texts of the labels that occur, whole numbers without a decimal point, and which of them each
    example has, (n,): a text for each of millions of examples would take more memory than their images.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            f"The labels of the {split} split of {place} have the shape {values.shape}; one label per "
            f"example, shape (n,), is needed. {_of_many(values)}"
        )
    if values.dtype.kind not in "iubfSU":
        raise DataError(
            f"The labels of the {split} split of {place} are of the type {values.dtype}; they must be "
            "integers, numbers or texts. Save them as texts with y.astype(str)."
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        wrong = np.flatnonzero(~np.isfinite(values))
        more = f", as are those of {len(wrong) - 1:,} more" * (len(wrong) > 1)
        raise DataError(
            f"The label of example {wrong[0]} in the {split} split of {place} is not a number (NaN or "
            f"infinite){more}. Mend such labels, or keep only the others: x[numpy.isfinite(y)] and "
            "y[numpy.isfinite(y)]."
        )
    try:
        unique, inverse = np.unique(values, return_inverse=True)
        texts = [as_text(value) for value in unique.tolist()]
        for text in texts:
            text.encode()
    except (UnicodeError, ValueError):
        raise DataError(
            f"The labels of the {split} split of {place} hold texts that are no UTF-8. Save them as UTF-8, "
            "or as numbers."
        ) from None
    return texts, inverse


def _of_many(values: np.ndarray) -> str:
    """What helps where an example has more than one number for a label, or none."""
    if values.ndim > 2:
        return "If these are masks: dataset.type must be image_segmentation."
    if values.ndim < 2 or 0 in values.shape or values.dtype.kind not in "iubf":
        return "Save an array of one label for each example."
    if ((values != 0).sum(axis=1) == 1).all():
        return "Turn one-hot labels into indices with numpy.argmax(y, axis=1)."
    return "Several labels per example cannot be learnt: choose one of them, the first with y[:, 0]."


def as_text(value: bool | int | float | str | bytes) -> str:
    """What a label is called: labels of one text are one class, whoever compares them.

    Raises:
        UnicodeDecodeError: bytes that are no UTF-8.
    """
    if isinstance(value, bytes):
        return label_notes.plain(value.decode("utf-8"))
    if isinstance(value, str):
        return label_notes.plain(value)
    if isinstance(value, int):
        return str(int(value))
    return f"{value:.0f}" if float(value).is_integer() else repr(float(value))


def _order(label: str) -> tuple[bool, Decimal, str]:
    number = label_notes.number_of(label)
    return (number is None, number or Decimal(), label)


def _shown(labels: Sequence[str], limit: int = _NUM_SHOWN) -> str:
    return ", ".join(told_apart(labels)[:limit]) + (
        f", ... ({len(labels)} in all)" if len(labels) > limit else ""
    )


def _check_remapping(remapping: Mapping[str, int], known: Mapping[str, str], place: str) -> None:
    unknown = [label for label in remapping if label not in known]
    if unknown:
        raise DataError(
            f"dataset.class_labels_remapping names the label '{shortened(unknown[0])}', which does not "
            f"occur in {place}.{nearest(unknown[0], known)} Its labels are: "
            f"{_shown(sorted(known, key=_order))}"
        )


def _classes(found: list[str], classes_count: int | None, place: str, notes: list[str]) -> list[str]:
    if len(found) < 2:
        raise DataError(
            f"The training data of {place} have a single class ('{shortened(found[0])}'); classification "
            "needs at least two. Look at the labels, at dataset.class_labels_remapping and at "
            "dataset.samples."
        )
    if classes_count is None or len(found) == classes_count:
        return found
    in_range = {str(i) for i in range(classes_count)}
    outside = [label for label in found if label not in in_range]
    if outside and len(found) > classes_count:
        raise DataError(
            f"Labels out of range: dataset.classes_count is {classes_count}, but {place} has {len(found)} "
            f"classes ({_shown(found)}). Give {len(found)}, or null to have them counted, or merge classes "
            "with dataset.class_labels_remapping."
        )
    if outside:
        raise DataError(
            f"Labels out of range: dataset.classes_count is {classes_count}, but {place} has only "
            f"{len(found)} classes, and they are not the indices 0 to {classes_count - 1}: "
            f"{_shown(outside)}. Give {len(found)}, or null to have them counted."
        )
    missing = sorted(in_range - set(found), key=_order)
    notes.append(
        f"no training example has the class {_shown(missing)}, though dataset.classes_count is "
        f"{classes_count}"
    )
    return sorted(in_range, key=_order)


def _indices(
    labels: tuple[list[str], np.ndarray],
    mapping: Mapping[str, str],
    index: Mapping[str, int],
    split: str,
    place: str,
) -> np.ndarray:
    unique, inverse = labels
    indices = np.array([index.get(mapping[label], -1) for label in unique], dtype=np.int64)
    if (indices < 0).any():
        unknown = [*dict.fromkeys(label for label, k in zip(unique, indices, strict=True) if k < 0)]
        count = int((indices[inverse] < 0).sum())
        raise DataError(
            f"{count} example{'s' if count > 1 else ''} of the {split} split of {place} bear labels that no "
            f"training example has: {_shown(unknown)}. Training labels are: {_shown(list(index))}. Remove "
            "these examples, or map their labels with dataset.class_labels_remapping."
        )
    return indices[inverse]


def _display_names(
    classes: list[str], mapping: Mapping[str, str], label_names: Sequence[str] | None, is_remapped: bool
) -> list[str]:
    def name(label: str) -> str:
        is_index = re.fullmatch("[0-9]{1,9}", label) is not None
        if label_names is not None and is_index and int(label) < len(label_names):
            return label_names[int(label)]
        return label

    if not is_remapped:
        return [name(label) for label in classes]
    sources = {
        label: [name(k) for k in sorted(mapping, key=_order) if mapping[k] == label] for label in classes
    }
    return ["/".join(sources[label]) or label for label in classes]
