"""What readers meet on their way and must not keep to themselves.

`Findings` count what was passed over, turned or converted, so that many files make one sentence; `Notes` are
these and other sentences on the data; `Mistakes` hold back the errors of single files until all are known, so
that they are told at once, those of one cause as one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from popnas.errors import DataError
from popnas.events import NOTE
from popnas.printable import one_line, quoted
from popnas.process_state import without_warnings
from popnas.resources import available_cores

MAX_TOLD = 10
"""Kinds of mistakes that are told; of more the number is."""
_NUM_NAMED = 3
_FIELD = re.compile(r"[a-z_]+[._][a-z]")
_AT_ONCE = 16
"""Items that a thread takes: to hand over single ones costs more than to read a small file."""
_LONGEST, _KEPT = 400, 180
"""Characters of a name that are shown, and of a longer one at either end."""
Item = TypeVar("Item")
Result = TypeVar("Result")


class Findings:
    """Names by what was done to what bears them; threads may add.

    What is met in the test split is kept apart (`of`): it is not always read, and what is told of the rest
    must be the same, numbers included, whether it was or not.
    """

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._told: dict[str, None] = {}
        self._endings: dict[str, Counter[str]] = defaultdict(Counter)
        self._test: Findings | None = None

    def of(self, split: str) -> Findings:
        """Where what is met in that split belongs."""
        if split != "test":
            return self
        if self._test is None:
            self._test = Findings()
        return self._test

    def add(self, what: str, name: object) -> None:
        """`what` (several words that begin a sentence, without its number) was done to `name`."""
        self._names.setdefault(what, []).append(shown(name))

    def add_once(self, what: str, name: object) -> None:
        """`add`, unless it was."""
        if shown(name) not in self._names.get(what, []):
            self.add(what, name)

    def tell(self, note: str) -> None:
        """A note on all of the data or a file of them, with nothing to count; told once. One that begins with
        `NOTE` hurts nothing."""
        self._told[note] = None

    def pass_over(self, file: Path) -> None:
        """A file was left out because of its ending."""
        self._endings[file.suffix or "no ending"][shown(file.parent)] += 1

    def names(self, what: str) -> list[str]:
        """Those that `what` was done to in any split, sorted."""
        found = list(self._names.get(what, [])) + ([] if self._test is None else self._test.names(what))
        return sorted(found, key=_in_order)

    def notes(self) -> Notes:
        """A sentence for each kind: what, how many, the first names; the same whatever thread was first."""
        return Notes(self._sentences(), [] if self._test is None else self._test._sentences())

    def _sentences(self) -> list[str]:
        notes = [f"{what}: {numbered(names)}" for what, names in sorted(self._names.items())]
        notes += sorted(self._told)
        if self._endings:
            told = [_ending(*item) for item in sorted(self._endings.items())]
            more = f" and {len(told) - MAX_TOLD} more endings" if len(told) > MAX_TOLD else ""
            notes.append(f"files of other kinds are passed over: {'; '.join(told[:MAX_TOLD])}{more}")
        return notes


@dataclass
class Notes:
    """What is to be told of data, each without the capital and the full stop of a sentence: of all that is
    learnt from, and of the test split.
    """

    learnt: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)

    def of(self, split: str) -> list[str]:
        """Those to which a note on that split is added."""
        return self.test if split == "test" else self.learnt

    def add(self, findings: Findings) -> None:
        """What was found later."""
        later = findings.notes()
        self.learnt += later.learnt
        self.test += later.test

    def warnings(self) -> list[str]:
        """Sentences for `Dataset.warnings`, none twice."""
        return [_sentence(note) for note in dict.fromkeys(self.learnt)]

    def test_warnings(self) -> list[str]:
        """Sentences for `Dataset.test_warnings`, none twice."""
        return [_sentence(note, "In the test split: ") for note in dict.fromkeys(self.test)]


def _sentence(note: str, begin: str = "") -> str:
    if note.startswith(NOTE):
        return NOTE + _sentence(note.removeprefix(NOTE), begin)
    text = begin + note.removesuffix(".")
    # The name of a field is none other with a capital.
    return f"{text}." if _FIELD.match(text) else f"{text[0].upper()}{text[1:]}."


@contextmanager
def explained(known: Findings | Sequence[str]) -> Iterator[None]:
    """A block whose `DataError` may come of what is `known` to be passed over or merged: it tells that."""
    try:
        yield
    except DataError as error:
        notes: Sequence[str] = [] if isinstance(known, Findings) else known
        if isinstance(known, Findings):
            found = known.notes()
            notes = list(dict.fromkeys(found.learnt + found.test))
        if notes:
            # In place: the error's other facts, and its kind, stay.
            error.args = ("\n".join([str(error), *_done_before(notes)]), *error.args[1:])
        raise


def in_line(message: str) -> str:
    """An error's message, with what was done before, as part of a longer sentence."""
    return " ".join(line.strip() for line in message.splitlines())


def _done_before(notes: Sequence[str]) -> list[str]:
    """Lines below a mistake: readers look for the mistake first."""
    lines = [_sentence(note) for note in notes]
    head = "What was done before:"
    return [f"{head} {lines[0]}"] if len(lines) == 1 else [head, *(f"  {line}" for line in lines)]


class _HeldError(DataError):
    """What `Mistakes.check` raises: `held`, each mistake by the name of what it is about, for a reader around
    that holds mistakes back itself; `text` is all of them as they are told."""

    def __init__(
        self, text: str, unreadable: frozenset[str] = frozenset(), held: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(text, unreadable)
        self.text, self.held = text, held


class Mistakes:
    """Errors of single files, lines or splits, told at once by `check`: those of one cause as one, whoever
    held them back before."""

    def __init__(self) -> None:
        self._by_cause: dict[str, list[tuple[str, str]]] = {}
        self._splits: set[str] = set()

    @contextmanager
    def held(self, name: object = "", files_of: str = "") -> Iterator[None]:
        """A block whose `DataError` is held back; `name` is what it is about, as its message has it,
        `files_of` the split whose files cannot be read then.
        """
        try:
            yield
        except DataError as error:
            self.add_error(error, name, files_of=files_of)

    def add_error(self, error: DataError, name: object = "", files_of: str = "") -> None:
        """An error that was caught: one mistake, or all that it was raised for."""
        # With words around them they are no longer single ones.
        if isinstance(error, _HeldError) and str(error) == error.text:
            for inner, message in error.held:
                self.add(message, inner, files_of=files_of)
        else:
            self.add(str(error), name, files_of=files_of)

    def add(self, message: str, name: object = "", files_of: str = "") -> None:
        """A mistake that was found otherwise."""
        self._splits |= {files_of} - {""}
        self._by_cause.setdefault(_cause(message, shown(name)), []).append((shown(name), message))

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._by_cause)

    def check(self) -> None:
        """Raises DataError with all that was held back: the first message of each cause, and what else it
        holds of.
        """
        told = [_with_others(found) for found in self._by_cause.values()]
        if not told:
            return
        number = sum(map(len, self._by_cause.values()))
        if len(told) > 1:
            more = len(told) - MAX_TOLD
            lines = [
                f"{number:,} mistakes in the data:",
                *(text.replace("\n", "\n    ") for text in told[:MAX_TOLD]),
            ]
            told = ["\n  ".join(lines + [f"... and {more} more kinds."] * (more > 0))]
        held = [mistake for found in self._by_cause.values() for mistake in found]
        raise _HeldError(told[0], frozenset(self._splits), held)


def _cause(message: str, name: str) -> str:
    """The message without what differs from case to case: the name, values, numbers."""
    text = message.replace(name, "") if name else message
    text = re.sub(r"'(?:[^'\\]|\\.)*'", "''", text)
    return re.sub(r"[0-9][0-9.,;x%: \[\]-]*", "0", text)


def _with_others(found: Sequence[tuple[str, str]]) -> str:
    message = found[0][1]
    if len(found) == 1:
        return message
    names = [name for name, _ in found if name]
    where = f": {first_of(names, _NUM_NAMED)}" if names else ""
    return f"{message} This is one of {len(found):,} mistakes of this kind{where}."


def read_all(
    items: Sequence[Item],
    read: Callable[[Item], Result],
    name: Callable[[Item], object] = str,
    split: Callable[[Item], str] = lambda _: "",
    mistakes: Mistakes | None = None,
) -> list[Result]:
    """`read` of every item, in order, by several threads; `name` is what messages call an item, `split` where
    it belongs.

    Raises:
        DataError: those of all items at once, with the `mistakes` that were found before.
    """

    def attempt(item: Item) -> Result | DataError:
        try:
            return read(item)
        except DataError as error:
            return error

    def attempts(first: int) -> list[Result | DataError]:
        with without_warnings():  # remarks of image libraries on tags and sizes
            return [attempt(item) for item in items[first : first + _AT_ONCE]]

    with ThreadPoolExecutor(len(available_cores())) as threads:
        parts = threads.map(attempts, range(0, len(items), _AT_ONCE))
        results = [result for part in parts for result in part]
    mistakes = Mistakes() if mistakes is None else mistakes
    for item, result in zip(items, results, strict=True):
        if isinstance(result, DataError):
            mistakes.add_error(result, name(item), split(item))
    mistakes.check()
    return [result for result in results if not isinstance(result, DataError)]


def numbered(names: Iterable[str]) -> str:
    """`5 (a, b, c, ...)`, sorted."""
    found = sorted(names, key=_in_order)
    return f"{len(found):,} ({first_of(found, _NUM_NAMED)})"


def first_of(names: Sequence[str], limit: int = MAX_TOLD) -> str:
    """`a, b, c, ...`; a line end in a name must not look like a line of ours."""
    return ", ".join(map(one_line, names[:limit])) + ", ..." * (len(names) > limit)


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sorts numbers in names by value: line 9 comes before line 10."""
    return [(int(part[:18]) if part.isdecimal() else 0, part) for part in re.split(r"([0-9]+)", name)]


def _ending(ending: str, folders: Counter[str]) -> str:
    (first, _), *others = sorted(folders.items())
    more = f" and {len(others)} more folder{'s' * (len(others) > 1)}" if others else ""
    return f"{folders.total():,} {ending} in {first}{more}"


def shown(name: object) -> str:
    """A name that any terminal and JSON can take: bytes of file names that are no text become '?', and a very
    long one is cut in the middle. A path is one word, as `quoted` has it.
    """
    text = str(name).encode("utf-8", "replace").decode("utf-8")
    if len(text) > _LONGEST:
        return f"{text[:_KEPT]}[... {len(text) - 2 * _KEPT:,} characters ...]{text[-_KEPT:]}"
    return quoted(text) if isinstance(name, Path) else text
