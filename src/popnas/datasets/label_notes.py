"""What is told of labels before they become classes: spellings that are one, others that only look alike."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from popnas.datasets.findings import first_of

_MISSING = frozenset({"", "nan", "null", "?", "n/a", "<na>"})


def plain(text: str) -> str:
    """A label without spaces around it, its letters composed (NFC): equal on every file system."""
    return unicodedata.normalize("NFC", text.strip())


def notes_of(labels: Mapping[str, np.ndarray], texts: Iterable[str]) -> list[str]:
    """Sentences on the labels as given, by split, and on the texts that they became."""
    return [*_of_spellings(labels.values()), *_of_types(labels), *_of_texts(sorted(set(texts)))]


def _of_spellings(values: Iterable[np.ndarray]) -> list[str]:
    """Texts that become one class though they are written in several ways."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for array in map(np.asarray, values):
        if array.dtype.kind in "SU":
            for value in np.unique(array).tolist():
                text = value.decode("utf-8") if isinstance(value, bytes) else value
                spellings[plain(text)].add(text)
    merged = sorted(label for label, written in spellings.items() if len(written) > 1)
    if not merged:
        return []
    return [
        "labels that differ only by spaces around them or by how accents are encoded are one class: "
        + first_of([f"'{label}' ({len(spellings[label])} spellings)" for label in merged])
    ]


def _of_types(labels: Mapping[str, np.ndarray]) -> list[str]:
    train = np.asarray(labels["train"])
    if train.dtype.kind == "b":
        return ["the labels are False and True, which are the classes 0 and 1"]
    if train.dtype.kind == "f" and (train % 1 != 0).any():
        return [
            f"the labels are numbers with fractions, and each of their {len(np.unique(train))} values is a "
            "class: measurements cannot be learnt as such"
        ]
    return []


def _of_texts(texts: list[str]) -> list[str]:
    alike: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        alike[_reading(text)].append(text)
    notes = []
    groups = [" and ".join(f"'{text}'" for text in found) for found in alike.values() if len(found) > 1]
    if groups:
        notes.append(f"labels that only look alike are different classes: {first_of(groups)}")
    missing = [f"'{text}'" for text in texts if text.casefold() in _MISSING]
    if missing:
        notes.append(
            f"the label {first_of(missing)} counts as a class; if it means that the label is missing, remove "
            "these examples"
        )
    return notes


def _reading(text: str) -> str:
    """What a label is to a reader who minds neither case nor how a number is written."""
    try:
        number = float(text)
    except ValueError:
        return unicodedata.normalize("NFKC", text).casefold()
    return repr(number) if np.isfinite(number) else text.casefold()
