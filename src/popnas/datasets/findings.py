"""What readers meet on their way and must not keep to themselves.

`Findings` count what was passed over, turned or converted, so that many files make one sentence; `Mistakes`
hold back the errors of single files until all are known, so that they are told at once.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from popnas.datasets.threads import num_threads
from popnas.errors import DataError

MAX_TOLD = 10
"""Mistakes told in full; of more the number is told."""
_NUM_NAMED = 3
Item = TypeVar("Item")
Result = TypeVar("Result")


class Findings:
    """Names by what was done to what bears them; threads may add. `notes` are for `Dataset.warnings`."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._endings: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, what: str, name: object) -> None:
        """`what` (several words that begin a sentence, without its number) was done to `name`."""
        self._names.setdefault(what, []).append(shown(name))

    def pass_over(self, file: Path) -> None:
        """A file was left out because of its ending."""
        self._endings[file.suffix or "no ending"][shown(file.parent)] += 1

    def names(self, what: str) -> list[str]:
        """Those that `what` was done to, sorted."""
        return sorted(self._names.get(what, []), key=_in_order)

    def notes(self) -> list[str]:
        """A sentence for each kind: what, how many, the first names; the same whatever thread was first."""
        notes = [f"{what}: {numbered(names)}" for what, names in sorted(self._names.items())]
        if self._endings:
            told = [_ending(*item) for item in sorted(self._endings.items())]
            more = f" and {len(told) - MAX_TOLD} more endings" if len(told) > MAX_TOLD else ""
            notes.append(f"files of other kinds are passed over: {'; '.join(told[:MAX_TOLD])}{more}")
        return notes


class Mistakes:
    """Errors of single files, lines or splits, told at once by `check`."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block whose `DataError` is held back."""
        try:
            yield
        except DataError as error:
            self.messages.append(str(error))

    def check(self) -> None:
        """Raises DataError with all that was held back: the first ten in full, and their number."""
        if len(self.messages) == 1:
            raise DataError(self.messages[0])
        if self.messages:
            more = len(self.messages) - MAX_TOLD
            lines = [f"{len(self.messages)} mistakes in the data:", *self.messages[:MAX_TOLD]]
            raise DataError("\n  ".join(lines + [f"... and {more} more."] * (more > 0)))


def read_all(items: Sequence[Item], read: Callable[[Item], Result]) -> list[Result]:
    """`read` of every item, in order, by several threads.

    Raises:
        DataError: those of all items at once.
    """

    def attempt(item: Item) -> Result | DataError:
        try:
            return read(item)
        except DataError as error:
            return error

    # Remarks of image libraries on tags and sizes; the filters belong to the process, so not in a thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(num_threads()) as threads:
        warnings.simplefilter("ignore")
        results = list(threads.map(attempt, items))
    mistakes = Mistakes()
    mistakes.messages += [str(result) for result in results if isinstance(result, DataError)]
    mistakes.check()
    return [result for result in results if not isinstance(result, DataError)]


def numbered(names: Iterable[str]) -> str:
    """`5 (a, b, c, ...)`, sorted."""
    found = sorted(names, key=_in_order)
    return f"{len(found):,} ({first_of(found, _NUM_NAMED)})"


def first_of(names: Sequence[str], limit: int = MAX_TOLD) -> str:
    """`a, b, c, ...`."""
    return ", ".join(names[:limit]) + ", ..." * (len(names) > limit)


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sorts numbers in names by value: line 9 comes before line 10."""
    return [(int(part[:18]) if part.isdecimal() else 0, part) for part in re.split(r"([0-9]+)", name)]


def _ending(ending: str, folders: Counter[str]) -> str:
    (first, _), *others = sorted(folders.items())
    more = f" and {len(others)} more folder{'s' * (len(others) > 1)}" if others else ""
    return f"{folders.total():,} {ending} in {first}{more}"


def shown(name: object) -> str:
    """A name that any terminal and JSON can take: bytes of file names that are no text become '?'."""
    return str(name).encode("utf-8", "replace").decode("utf-8")
