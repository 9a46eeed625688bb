"""Views are for looking at: one that cannot be made is told and missing; the work that it shows goes on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from popnas.errors import PopnasError, StorageError
from popnas.events import Listen, Warned, nobody
from popnas.printable import counted

_LOG = logging.getLogger(__name__)


class Views:
    """Makes views one by one; `missing` has a sentence for each that failed, which is told at once, too.

    `tell`: hears these sentences, as warnings. `are_the_job`: the views themselves were asked for (`popnas
    report`): a disk that refuses them is an error then, as for any other result. A place where nothing can be
    written is told of once, not for every view that would stand there.
    """

    def __init__(self, tell: Listen = nobody, *, are_the_job: bool = False) -> None:
        self.missing: list[str] = []
        self._tell, self._are_the_job = tell, are_the_job
        self._refused: set[str] = set()

    @contextmanager
    def view(self, what: str) -> Iterator[None]:
        """The block makes the view `what`; whatever it raises, only this view is lost.

        Raises:
            StorageError: the disk refused a view that was asked for.
        """
        try:
            yield
        except StorageError as error:
            if self._are_the_job:
                raise
            self._lost_to_disk(what, error)
        except Exception as error:  # a drawing may fail in any way: its libraries, a figure from elsewhere
            _LOG.debug("%s", what, exc_info=True)
            words = str(error) if isinstance(error, PopnasError) else f"{type(error).__name__}: {error}"
            self.lost(what, (words.splitlines() or [""])[0])

    def lost(self, what: str, why: str) -> None:
        """Tell of a view that is missing."""
        text = _lack(what, why)
        self.missing.append(f"{text} Nothing else is affected.")
        self._tell(Warned(self.missing[-1]))

    def _lost_to_disk(self, what: str, error: StorageError) -> None:
        cause = error.__cause__
        if not error.is_wrong_place or not isinstance(cause, OSError):
            self.lost(what, str(error))
            return
        text, place = _lack(what, str(error)), f"{cause.errno} {Path(what).parent}"
        self.missing.append(f"{text} Nothing else is affected.")
        if place not in self._refused:
            self._refused.add(place)
            also = "The same holds for all else that would be written there; nothing else is affected."
            self._tell(Warned(f"{text} {also}"))


def _lack(what: str, why: str) -> str:
    reason = f"{why.rstrip('.')}."
    if _stands(what):
        return f"{what} is not made anew, and an older one stands there: {reason}"
    return f"{what} is missing: {reason}"


def _stands(what: str) -> bool:
    """Whether a view that is named by its path has been made before."""
    try:
        return Path(what).is_file()
    except (OSError, ValueError):
        return False


class RepeatedViews:
    """Tells of views that many networks lack for one reason: the first at once, how many at the end."""

    def __init__(self, tell: Listen) -> None:
        self._tell = tell
        self._counts: Counter[str] = Counter()

    def lost(self, folder: Path, sentences: Iterable[str]) -> None:
        """`sentences` of `Views.missing` about a network's `folder`, which is all that may tell them apart
        from those of other networks."""
        for sentence in sentences:
            kind = sentence.replace(str(folder), "...")
            if kind not in self._counts:
                self._tell(Warned(sentence))
            self._counts[kind] += 1

    def tell_counts(self) -> None:
        """What was missing more than once, at the end."""
        for kind, count in self._counts.items():
            if count > 1:
                self._tell(Warned(f"of {counted(count, 'network')} {kind}"))
        self._counts.clear()
