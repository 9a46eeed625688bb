"""Warnings that one thread need not hear."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast


class _OfThisThread(threading.local):
    """The messages that a thread ignores now. Stands in a filter of Python's warnings in place of a regular
    expression, and matches as one does. Who carries the filters to other processes or rebuilds them there, as
    scikit-learn's searches do, takes along an expression that matches nothing."""

    pattern = "(?!)"

    def __init__(self) -> None:
        self.ignored: list[re.Pattern[str]] = []

    def match(self, text: str) -> bool:
        """Whether this thread ignores that warning."""
        return any(pattern.match(text) for pattern in self.ignored)

    def __reduce__(self) -> tuple[Callable[[str], re.Pattern[str]], tuple[str]]:
        return re.compile, (self.pattern,)


_IGNORED = _OfThisThread()
FILTER = ("ignore", _IGNORED, Warning, None, 0)


@contextmanager
def without_warnings(message: str = "") -> Iterator[None]:
    """Warnings in this thread whose text begins with the regular expression are not shown: for libraries that
    warn of their own deprecations, or of what is checked here.

    `warnings.catch_warnings` exchanges the filters of all threads, and where two overlap, also with one of a
    library, the wrong ones stay. Here a filter is added once that ignores nothing outside of such blocks.
    """
    filters = cast("list[Any]", warnings.filters)
    if FILTER not in filters[:1]:
        filters.insert(0, FILTER)
    _IGNORED.ignored.append(re.compile(message, re.IGNORECASE))
    try:
        yield
    finally:
        _IGNORED.ignored.pop()
