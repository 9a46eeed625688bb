"""The `.ts` text format of time series archives: a header of @tags, then one case per line.

Channels are separated by colons, values by commas; the class stands after the last colon. Read here and not
with aeon, whose import costs 1.5 s of CPU time in every worker, and whose messages do not name the line.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from popnas import files
from popnas.errors import DataError
from popnas.resources import free_memory

_MEMORY_PER_BYTE = 4
"""At the shortest values: two characters become eight bytes."""
_LONGEST_LABEL = 200


def read(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The cases, each (t, c) float64 with NaN for missing values, and their classes as texts (cases,).

    Raises:
        DataError: a file that breaks the format, or has no classes; the message names the line.
    """
    series, classes = [], []
    try:
        with files.open_binary(path) as stream:
            _check_memory(stream, path)
            # Comments may be in any encoding; a class that is not UTF-8 is refused where it is read.
            numbered = enumerate(io.TextIOWrapper(stream, "utf-8-sig", errors="replace"), start=1)
            spelling = _header(numbered, path)
            for number, line in numbered:
                text = line.strip()
                if text and not text.startswith(("#", "%")):
                    one, label = _case(text, f"{path}, line {number}")
                    series.append(one)
                    classes.append(spelling.get(label.lower(), label))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {files.reason(error)}.") from error
    if not series:
        raise DataError(f"{path} holds no case after @data.")
    return series, np.array(classes)


def _check_memory(stream: BinaryIO, path: Path) -> None:
    size, free = os.fstat(stream.fileno()).st_size, free_memory()
    if size * _MEMORY_PER_BYTE > free:
        raise DataError(
            f"{path} has {files.size_text(size)}, whose values would take about "
            f"{files.size_text(size * _MEMORY_PER_BYTE)} of memory, and {files.size_text(free)} are free."
        )


def _header(numbered: Iterator[tuple[int, str]], path: Path) -> dict[str, str]:
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
            f"{place}: the channels have different numbers of values ({sorted(lengths)[:10]}); they must be "
            "equal."
        )
    label = label.strip()
    if len(label) > _LONGEST_LABEL or "\ufffd" in label:
        what = "is not UTF-8" if "\ufffd" in label else f"has {len(label):,} characters"
        raise DataError(f"{place}: the class after the last colon, '{label[:40]}', {what}. Mend this line.")
    return np.array(rows).T, label


def _value(text: str) -> float:
    text = text.strip()
    try:
        # float alone would take 1_0 for 10.
        return float("nan") if text == "?" else float(text.replace("_", "?"))
    except ValueError:
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise ValueError(f"'{shown}' is no number" if text else "a value is missing") from None
