"""Accuracies that others have reached, from a CSV file: a line per problem, a column per method."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from popnas import files
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.report.archive.page import OWN


def read(path: Path) -> dict[str, Mapping[str, float]]:
    """By method the accuracy (0 to 1) by problem. The first column names the problems; an empty field says
    nothing.

    Raises:
        UserError: the file cannot be read, or is none such.
    """
    try:
        rows = list(csv.reader(io.StringIO(files.read_text(files.user_path(path)), newline="")))
    except (OSError, csv.Error) as error:
        raise UserError(f"the results {quoted(path)} cannot be read: {files.reason(error)}.") from error
    if not rows or len(rows[0]) < 2:
        raise UserError(
            f"{quoted(path)} has no methods: its first line must be 'problem,METHOD,...', and each line "
            "after it a problem's name and accuracies between 0 and 1."
        )
    methods = [name.strip() for name in rows[0][1:]]
    if OWN in methods or len({*methods}) < len(methods) or "" in methods:
        raise UserError(
            f"{quoted(path)}: its methods must have names of their own, none of them '{OWN}': "
            f"{', '.join(methods)}."
        )
    found: dict[str, dict[str, float]] = {name: {} for name in methods}
    for number, row in enumerate(rows[1:], start=2):
        for name, text in zip(methods, row[1:], strict=False):
            if text.strip():
                found[name][row[0].strip()] = _accuracy(text, f"{quoted(path)}, line {number}, {name}")
    return dict(found)


def _accuracy(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"{place}: '{text.strip()}' is no accuracy between 0 and 1.")
    return value
