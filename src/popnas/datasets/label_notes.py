"""What is told of labels before they become classes: spellings that are one, others that only look alike."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

import numpy as np

from popnas.datasets.findings import Notes, first_of
from popnas.printable import shortened

_MISSING = frozenset({"", "nan", "null", "?", "n/a", "<na>"})


def plain(text: str) -> str:
    """A label without spaces around it, its letters composed (NFC): equal on every file system."""
    return unicodedata.normalize("NFC", text.strip())


def add(labels: Mapping[str, np.ndarray], texts: Mapping[str, Iterable[str]], notes: Notes) -> None:
    """Notes on the labels as given and on the texts that they became, both by split."""
    learnt = [split for split in labels if split != "test"]
    notes.learnt += _notes_of([labels[split] for split in learnt], [texts[split] for split in learnt])
    notes.learnt += _of_types(np.asarray(labels["train"]))
    if "test" in labels:
        with_test = _notes_of(labels.values(), texts.values())
        notes.test += [note for note in with_test if note not in notes.learnt]


def _notes_of(values: Iterable[np.ndarray], texts: Iterable[Iterable[str]]) -> list[str]:
    return [*merged(values), *_of_texts(sorted({text for some in texts for text in some}))]


def merged(values: Iterable[np.ndarray]) -> list[str]:
    """Texts that become one class though they are written in several ways."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for array in map(np.asarray, values):
        if array.dtype.kind in "SU":
            for value in np.unique(array).tolist():
                text = value.decode("utf-8") if isinstance(value, bytes) else value
                spellings[plain(text)].add(text)
    found = sorted(label for label, written in spellings.items() if len(written) > 1)
    if not found:
        return []
    return [
        "labels that differ only by spaces around them or by how accents are encoded are one class: "
        + first_of([f"'{label}' ({len(spellings[label])} spellings)" for label in found])
    ]


def _of_types(train: np.ndarray) -> list[str]:
    if train.dtype.kind == "b":
        return ["the labels are False and True, which are the classes 0 and 1"]
    if train.dtype.kind == "f" and (train % 1 != 0).any():
        return [
            f"the labels are numbers with fractions, and each of their {len(np.unique(train))} values is a "
            "class: measurements cannot be learnt as such"
        ]
    return []


def _of_texts(texts: list[str]) -> list[str]:
    alike: dict[str | Decimal, list[str]] = defaultdict(list)
    for text in texts:
        alike[_reading(text)].append(text)
    notes = []
    groups = [
        " and ".join(f"'{shortened(text)}'" for text in found) for found in alike.values() if len(found) > 1
    ]
    if groups:
        notes.append(f"labels that only look alike are different classes: {first_of(groups)}")
    missing = [f"'{text}'" for text in texts if text.casefold() in _MISSING]
    if missing:
        notes.append(
            f"the label {first_of(missing)} counts as a class; if it means that the label is missing, remove "
            "these examples"
        )
    return notes


def _reading(text: str) -> str | Decimal:
    """What a label is to a reader who minds neither case nor how a number is written."""
    number = number_of(text)
    return unicodedata.normalize("NFKC", text).casefold() if number is None else number


def number_of(text: str) -> Decimal | None:
    """The number that a text is, exactly: as floats, whole numbers beyond 2^53 would be equal that are not.
    None if it is none, or none that a float could hold."""
    try:
        return Decimal(text) if math.isfinite(float(text)) else None
    except (ValueError, InvalidOperation):
        return None
