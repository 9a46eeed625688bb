"""What a figure shows as a table, for a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Table(NamedTuple):
    """A header and rows, one observation each, in base units (seconds, counts)."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
