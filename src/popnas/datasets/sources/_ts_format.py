"""The `.ts` text format of time series archives: a header of @tags, then one case per line.

Channels are separated by colons, values by commas; the class stands after the last colon. Read here and not
with aeon, whose import costs 1.5 s of CPU time in every worker, and whose messages do not name the line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from popnas import files
from popnas.datasets.findings import Findings, Mistakes, numbered
from popnas.errors import DataError
from popnas.printable import quoted
from popnas.resources import free_memory

_MEMORY_PER_BYTE = 4
"""At the shortest values: two characters become eight bytes."""
_LONGEST_LABEL = 200

END_REMEDY = "leave them out: lines may have different numbers of values"
AXES_REMEDY = "write the channels between colons and their timesteps between commas"
_ABOUT_VALUES = ("@univariate", "@dimension", "@dimensions", "@equallength", "@serieslength", "@missing")
_TAGS = frozenset(("@problemname", "@timestamps", "@classlabel", "@targetlabel", *_ABOUT_VALUES))


@dataclass
class Cases:
    """What a file holds: series, each (t, c) float64 with NaN for missing values, their classes as texts
    (cases,), and where each stands ("p_TRAIN.ts, line 6").
    """

    series: list[np.ndarray]
    classes: np.ndarray
    names: list[str]


@dataclass
class _Header:
    """The values of each tag (in lower case), and the number of the line after which cases begin."""

    tags: dict[str, list[str]] = field(default_factory=dict)

    def says(self, tag: str) -> bool | None:
        """True or false as the header says of a tag, None if it says nothing."""
        values = [value.lower() for value in self.tags.get(tag, [])[:1]]
        return values == ["true"] if values in (["true"], ["false"]) else None

    @property
    def classes(self) -> list[str]:
        return self.tags.get("@classlabel", [])[1:]


def read(path: Path, findings: Findings | None = None) -> Cases:
    """The cases of a file; where they are not as its header says is added to `findings`.

    Raises:
        DataError: a file that breaks the format, or has no classes; the message names all such lines.
    """
    findings = findings or Findings()
    lines = _lines(path)
    header = _header(lines, path, findings)
    series, classes, names = [], [], []
    mistakes = Mistakes()
    for number, line in lines:
        place = f"{quoted(path)}, line {number}"
        with mistakes.held(place):
            one, label = _case(_text(line, place), place)
            series.append(one)
            classes.append(_spelled(label, header.classes, place, findings))
            names.append(place)
    mistakes.check()
    if not series:
        raise DataError(f"{quoted(path)} holds no case after @data.")
    _compare(header, series, classes, path, findings)
    return Cases(series, np.array(classes), names)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines with content; comments are left out, in whatever encoding they are."""
    try:
        with files.open_binary(path) as file:
            _check_memory(file, path)
            for number, line in enumerate(file, start=1):
                stripped = line.removeprefix(b"\xef\xbb\xbf").strip()
                if stripped and not stripped.startswith((b"#", b"%")):
                    yield number, stripped
    except OSError as error:
        raise DataError(f"{quoted(path)} cannot be read: {files.reason(error)}.") from error


def _check_memory(stream: BinaryIO, path: Path) -> None:
    size, free = os.fstat(stream.fileno()).st_size, free_memory()
    if size * _MEMORY_PER_BYTE > free:
        raise DataError(
            f"{quoted(path)} has {files.size_text(size)}, whose values would take about "
            f"{files.size_text(size * _MEMORY_PER_BYTE)} of memory, and {files.size_text(free)} are free."
        )


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{place}: this is no UTF-8 text. Save the file as UTF-8.") from None


def _header(lines: Iterator[tuple[int, bytes]], path: Path, findings: Findings) -> _Header:
    """Reads up to @data."""
    header = _Header()
    for number, line in lines:
        place = f"{quoted(path)}, line {number}"
        words = _text(line, place).split()
        tag, values = words[0].lower(), words[1:]
        if tag == "@data":
            return header
        if not tag.startswith("@"):
            findings.add("lines before @data that are no @tag are passed over", place)
            continue
        if tag not in _TAGS:
            findings.add("tags that are not known are passed over", f"{words[0]} in {place}")
        if header.tags.get(tag, values) != values and tag == "@classlabel":
            raise DataError(f"{place}: {words[0]} stands here for the second time, with other classes.")
        header.tags[tag] = values
        _check_tag(tag, header.says(tag), place)
    raise DataError(f"{quoted(path)} has no line @data: it is no .ts file, or it is cut off.")


def _check_tag(tag: str, is_true: bool | None, place: str) -> None:
    if tag == "@classlabel" and not is_true:
        raise DataError(f"{place}: @classLabel is false, so there is nothing to classify.")
    if tag == "@targetlabel" and is_true:
        raise DataError(
            f"{place}: @targetLabel is true; this is a regression problem, and only classes can be learnt."
        )
    if tag == "@timestamps" and is_true:
        raise DataError(
            f"{place}: values with time stamps cannot be read. Write plain values at even intervals."
        )


def _case(text: str, place: str) -> tuple[np.ndarray, str]:
    *channels, label = text.split(":")
    if not channels:
        raise DataError(f"{place}: there is no class after a colon.")
    if label.strip() in ("", "?"):
        raise DataError(f"{place}: the class after the last colon is missing. Add it, or remove this line.")
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
    if len(label) > _LONGEST_LABEL:
        raise DataError(
            f"{place}: the class after the last colon, '{label[:40]}...', has {len(label):,} characters. "
            "Mend this line."
        )
    return np.array(rows).T, label


def _value(text: str) -> float:
    text = text.strip()
    try:
        # float alone would take 1_0 for 10.
        return float("nan") if text == "?" else float(text.replace("_", "?"))
    except ValueError:
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise ValueError(f"'{shown}' is no number" if text else "a value is missing") from None


def _spelled(label: str, classes: list[str], place: str, findings: Findings) -> str:
    """The label as the header spells it, where it has just one that differs by case."""
    if label in classes or not classes:
        return label
    alike = [name for name in classes if name.casefold() == label.casefold()]
    if len(alike) == 1:
        findings.add(
            "classes are read in the case that the header has", f"'{label}' as '{alike[0]}' in {place}"
        )
        return alike[0]
    findings.add(
        "classes that are not among those of @classLabel are taken as they stand", f"'{label}' in {place}"
    )
    return label


def _compare(
    header: _Header, series: list[np.ndarray], classes: list[str], path: Path, findings: Findings
) -> None:
    """What the header says against what the cases are, which count."""
    num_channels, lengths = series[0].shape[1], {len(one) for one in series}
    told = {
        "@univariate": (header.says("@univariate") is True and num_channels > 1)
        or (header.says("@univariate") is False and num_channels == 1),
        "@dimensions": _number(header, "@dimensions") not in (None, num_channels),
        "@dimension": _number(header, "@dimension") not in (None, num_channels),
        "@equalLength": header.says("@equallength") is True and len(lengths) > 1,
        "@seriesLength": len(lengths) == 1 and not {_number(header, "@serieslength")} <= {None, 0, *lengths},
    }
    said = [" ".join([tag, *header.tags[tag.lower()]]) for tag, is_wrong in told.items() if is_wrong]
    if said:
        shortest, longest = min(lengths), max(lengths)
        extent = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        findings.add(
            f"cases are read as they are ({num_channels} channel{'s' * (num_channels != 1)} of {extent} "
            f"timesteps), though the header says {', '.join(said)}",
            path,
        )
    absent = [name for name in header.classes if name not in set(classes)]
    if absent:
        findings.add(f"classes of the header that no case has: {numbered(absent)}; in files", path)


def _number(header: _Header, tag: str) -> int | None:
    values = header.tags.get(tag, [])
    return int(values[0]) if values and values[0].isdecimal() else None
