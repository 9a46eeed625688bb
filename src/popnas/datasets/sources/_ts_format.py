"""The `.ts` text format of time series archives: a header of @tags, then one case per line.

Channels are separated by colons, values by commas; the class stands after the last colon. Read here and not
with aeon, whose import costs 1.5 s of CPU time in every worker, and whose messages do not name the line.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from popnas.errors import DataError


def read(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The cases, each (t, c) float64 with NaN for missing values, and their classes as texts (cases,).

    Raises:
        DataError: a file that breaks the format, or has no classes; the message names the line.
    """
    series, classes = [], []
    with path.open(encoding="utf-8", errors="replace") as lines:
        numbered = enumerate(lines, start=1)
        spelling = _header(numbered, path)
        for number, line in numbered:
            text = line.strip()
            if text and not text.startswith(("#", "%")):
                one, label = _case(text, f"{path}, line {number}")
                series.append(one)
                classes.append(spelling.get(label.lower(), label))
    if not series:
        raise DataError(f"{path} holds no case after @data.")
    return series, np.array(classes)


def _header(numbered: enumerate[str], path: Path) -> dict[str, str]:
    """Reads up to @data; the classes as the header spells them, by their lower case."""
    classes: list[str] = []
    for number, line in numbered:
        words = line.split()
        if not words or not words[0].startswith("@"):
            continue
        tag, values = words[0].lower(), words[1:]
        is_true = bool(values) and values[0].lower() == "true"
        if tag == "@data":
            return {name.lower(): name for name in classes}
        if tag == "@classlabel":
            if not is_true:
                raise DataError(
                    f"{path}, line {number}: @classLabel is false, so there is nothing to classify."
                )
            classes = values[1:]
        if tag == "@targetlabel" and is_true:
            raise DataError(
                f"{path}, line {number}: @targetLabel is true; this is a regression problem, and only "
                "classes can be learnt."
            )
        if tag == "@timestamps" and is_true:
            raise DataError(
                f"{path}, line {number}: values with time stamps cannot be read. Write plain values at even "
                "intervals."
            )
    raise DataError(f"{path} has no line @data: it is no .ts file, or it is cut off.")


def _case(text: str, place: str) -> tuple[np.ndarray, str]:
    *channels, label = text.split(":")
    if not channels:
        raise DataError(f"{place}: there is no class after a colon.")
    try:
        rows = [[_value(value) for value in channel.split(",")] for channel in channels]
    except ValueError as error:
        raise DataError(
            f"{place}: {error}. Values are numbers between commas ('?' for a missing one); mend or remove "
            "this line."
        ) from error
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise DataError(
            f"{place}: the channels have different numbers of values ({sorted(lengths)}); they must be equal."
        )
    return np.array(rows).T, label.strip()


def _value(text: str) -> float:
    return float("nan") if text.strip() == "?" else float(text)
