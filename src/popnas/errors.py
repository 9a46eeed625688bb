"""Every error that popnas raises on purpose.

PopnasError                     exit status 1: something failed that no other input would have avoided
├── UserError                   exit status 2: the input is wrong; the message says what, where, rule, remedy
│   ├── ConfigError             one or more mistakes in a configuration, all reported at once
│   ├── CellSyntaxError         a cell that does not parse
│   ├── UnknownNameError        a name that no registered part bears
│   ├── OperatorError           an operator name that does not parse, or of the wrong dimensionality
│   ├── DataError               a data set that is missing, broken or does not suit the task
│   │   ├── MissingSplitError   sound data without the split that is needed
│   │   ├── MissingValidationError  the same, of a validation split
│   │   ├── TooFewError         too few examples for a validation split of every class
│   │   └── SizesDifferError    images of several sizes where one is needed
│   ├── RunFolderError          a run folder that exists, is locked, is missing or is from another version
│   │   └── RunMovedError       the folder of a run under way is no longer in its place
│   ├── JournalError            a journal that is corrupt beyond its last line
│   └── MissingExtraError       an optional dependency that is not installed
├── CandidateFailed             one candidate could not be evaluated; the search goes on without it
├── PredictorError              a predictor could not be fitted, or predicted something that is no number
├── ExportError                 an exported file does not reproduce the network
├── DeviceFilledError           processes of others fill a device: what was to be trained there has not failed
├── ExecutorError               the machinery that evaluates candidates broke down
└── StorageError                the run folder cannot be written (full or read-only disk)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from popnas.printable import shortened

NO_MEMORY = ("not enough memory", "allocate memory")
"""What the system, Python and PyTorch say where a machine (not a GPU) has no more memory to give."""


class PopnasError(Exception):
    """Base of all errors raised on purpose."""

    exit_status = 1


class UserError(PopnasError):
    """The user's input is wrong and the message tells how to mend it."""

    exit_status = 2


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands (`search_space.operators[3]`), the value found there, and the message
    (rule and remedy); `family`: of which kind of parts ("task") the value names none."""

    place: str
    value: Any
    message: str
    family: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ConfigError(UserError):
    """All mistakes of one configuration at once, in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "the configuration") -> None:
        self.problems = list(problems)
        self.source = source
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__("\n".join([f"{count} in {source}:"] + [f"  {problem}" for problem in self.problems]))


class CellSyntaxError(UserError):
    """A text that is not a cell."""


class UnknownNameError(UserError):
    """A name that is not registered in a family of parts."""


class OperatorError(UserError):
    """An operator that does not parse or does not suit the data."""


class DataError(UserError):
    """A data set that cannot be used as it is.

    `unreadable`: the splits whose files cannot be read, whatever the configuration, where that is why.
    """

    def __init__(self, message: str, unreadable: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.unreadable = unreadable


class MissingSplitError(DataError):
    """The data are sound, but have no split of the kind that is needed."""


class MissingValidationError(DataError):
    """The data have no validation split of their own, which the configuration asks for."""


class TooFewError(DataError):
    """Too few examples for a validation split of every class; `smallest` is the share that would do, None
    where none does.
    """

    def __init__(self, message: str, smallest: float | None) -> None:
        super().__init__(message)
        self.smallest = smallest


class SizesDifferError(DataError):
    """Images of several sizes where one is needed; `suggested` is a (height, width) for all of them."""

    def __init__(self, message: str, suggested: tuple[int, int]) -> None:
        super().__init__(message)
        self.suggested = suggested


def interruption_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The Ctrl-C or signal that an error comes from, if it does: extension modules that are interrupted while
    they are loaded say ImportError."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, KeyboardInterrupt):
        found = found.__cause__ or found.__context__
    return found


class RunFolderError(UserError):
    """A run folder that cannot be used as asked."""


class JournalError(UserError):
    """A journal that cannot be read from line `number` on."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class MissingExtraError(UserError):
    """An optional dependency is needed for what was asked."""

    def __init__(self, what: str, extra: str, module: str) -> None:
        super().__init__(
            f"{what} needs the package '{module}', which is not installed. "
            f'Install it with: pip install "popnas[{extra}]"'
        )


class CandidateFailed(PopnasError):  # noqa: N818 - it names an outcome, not a mistake
    """One candidate failed; `kind` is one of `KINDS`."""

    KINDS = ("nan", "out_of_memory", "time_limit", "worker_died", "error")

    def __init__(self, kind: str, message: str) -> None:
        assert kind in self.KINDS, kind
        super().__init__(message)
        self.kind = kind


class PredictorError(PopnasError):
    """A predictor could not be fitted or predicted something that is no number."""


class ExportError(PopnasError):
    """An exported file does not reproduce its network, or could not be made."""


class ExecutorError(PopnasError):
    """Workers could not be set up, or broke down for a reason that no candidate caused."""


class RunMovedError(RunFolderError):
    """The folder of a run under way is no longer in its place."""


class DeviceFilledError(PopnasError):
    """Processes of others fill a device: no verdict on what was to be trained there."""


class StorageError(PopnasError):
    """The disk refused a write; what was written before is intact.

    `is_wrong_place`: nothing can be written there (read-only, no permission, no folder), which other input
    would have avoided: exit status 2.
    """

    def __init__(self, message: str, *, is_wrong_place: bool = False) -> None:
        super().__init__(message)
        self.is_wrong_place = is_wrong_place
        self.exit_status = 2 if is_wrong_place else 1


_WORDS: dict[type, str] = {Integral: "a whole number", str: "a text"}


def must_be(value: object, kind: type, what: str, *, may_be_none: bool = True) -> None:
    """Refuse what a program hands over of another type than it is to be; True and False are no numbers.

    Raises:
        UserError: likewise.
    """
    if (value is None and may_be_none) or (isinstance(value, kind) and not isinstance(value, bool)):
        return
    expected = _WORDS.get(kind, f"a {kind.__name__}") + " or None" * may_be_none
    raise UserError(f"{what} must be {expected}, got {shortened(repr(value))} ({type(value).__name__}).")


def closest(value: object, choices: Iterable[str]) -> str | None:
    """The choice most like `value`; None if none is near.

    A difference in case alone is no distance, and the only choice that begins with the value is near.
    """
    text, names = str(value), list(choices)
    match = [name for name in names if name.lower() == text.lower()]
    match = match or difflib.get_close_matches(text, names, n=1, cutoff=0.6)
    longer = [name for name in names if len(text) > 2 and name.lower().startswith(text.lower())]
    match = match or (longer if len(longer) == 1 else [])
    return match[0] if match else None


def nearest(value: object, choices: Iterable[str]) -> str:
    """ " Did you mean 'x'?" for the closest choice, or "" if none is near."""
    match = closest(value, choices)
    return "" if match is None else f" Did you mean '{shortened(match, 80)}'?"
