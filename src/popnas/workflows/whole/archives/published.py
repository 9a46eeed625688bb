"""Accuracies that others have reached, from a CSV file: a line per problem, a column per method."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from popnas import files
from popnas.errors import UserError, closest
from popnas.printable import counted, first_of_all, quoted
from popnas.report.archive.page import OWN

Published = Mapping[str, Mapping[str, float]]
_NAMED = 10
"""So many names stand in a sentence."""


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


def comparable(problems: Sequence[str], against: Published) -> tuple[Published, list[str]]:
    """Of what others have reached the methods that have an accuracy for some of these problems, and sentences
    on what has no counterpart."""
    kept = {name: against[name] for name in against if any(item in against[name] for item in problems)}
    others = dict.fromkeys(name for each in against.values() for name in each if name not in problems)
    told = []
    if without := [name for name in against if name not in kept]:
        told.append(
            "published methods without an accuracy for any problem of this archive, left out: "
            f"{first_of_all(without, _NAMED)}."
        )
    shared = [name for name in problems if any(name in each for each in kept.values())]
    if against and len(shared) < len(problems):
        alone = [_with_near(name, [*others]) for name in problems if name not in shared]
        told.append(
            f"{counted(len(alone), 'problem')} without a published accuracy, not ranked: "
            f"{first_of_all(alone, _NAMED)}."
        )
    for name, accuracies in kept.items():
        if lacking := [item for item in shared if item not in accuracies]:
            told.append(
                f"the published method {name} has no accuracy for {counted(len(lacking), 'problem')}, which "
                f"{'is' if len(lacking) == 1 else 'are'} not ranked: {first_of_all(lacking, _NAMED)}."
            )
    if others:
        told.append(
            f"{counted(len(others), 'problem')} of the published results not in this archive: "
            f"{first_of_all([*others], _NAMED)}."
        )
    return kept, told


def _with_near(name: str, others: Sequence[str]) -> str:
    near = closest(name, others)
    return name if near is None else f"{name} (is it '{near}' there?)"


def _accuracy(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"{place}: '{text.strip()}' is no accuracy between 0 and 1.")
    return value
