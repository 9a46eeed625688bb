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
    report`): a disk that refuses them is an error then, as for any other result.
    """

    def __init__(self, tell: Listen = nobody, *, are_the_job: bool = False) -> None:
        self.missing: list[str] = []
        self._tell, self._are_the_job = tell, are_the_job

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
            self.lost(what, str(error))
        except Exception as error:  # a drawing may fail in any way: its libraries, a figure from elsewhere
            _LOG.debug("%s", what, exc_info=True)
            words = str(error) if isinstance(error, PopnasError) else f"{type(error).__name__}: {error}"
            self.lost(what, (words.splitlines() or [""])[0])

    def lost(self, what: str, why: str) -> None:
        """Tell of a view that is missing."""
        reason = f"{why.rstrip('.')}. Nothing else is affected."
        text = f"{what} is missing: {reason}"
        if _stands(what):
            text = f"{what} is not made anew, and an older one stands there: {reason}"
        self.missing.append(text)
        self._tell(Warned(text))


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
