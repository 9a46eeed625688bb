"""Warnings that are logged in a worker: they go to the driver with its next answer, which tells them, too.

What a worker prints stands in a file that nobody reads unless something fails.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

_NAME = "popnas"
_TOLD: set[str] = set()


class GatheredWarnings(logging.Handler):
    """What the logger of popnas itself (not those below it) warns of in this process, until it is taken."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._texts: list[str] = []

    def begin(self) -> None:
        """Gather from here on."""
        logging.getLogger(_NAME).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if record.name == _NAME:
            self._texts.append(record.getMessage())

    def take(self) -> tuple[str, ...]:
        """What has come since the last time."""
        texts, self._texts = self._texts, []
        return tuple(texts)


GATHERED = GatheredWarnings()
"""Those of this process, which is a worker."""


def tell_once(texts: Iterable[str]) -> None:
    """In the driver: log what workers warn of, each text once in a process."""
    for text in texts:
        if text not in _TOLD:
            _TOLD.add(text)
            logging.getLogger(_NAME).warning("%s", text)
