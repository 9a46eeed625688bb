"""Changes that threads share while any of them needs them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager


class Shared:
    """A change of the process that threads may share: whoever comes first makes it, whoever leaves last
    undoes it. Each call gives a context."""

    def __init__(self, change: Callable[[], AbstractContextManager[None]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._users = 0
        self._undo = ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """The change, for the time of a block."""
        with self._lock:
            if not self._users:
                self._undo.enter_context(self._change())
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._undo.close()


def logger_at(name: str, level: int) -> Shared:
    """A context in which the logger of a library, and those below it, tell only what has that level."""

    @contextmanager
    def change() -> Iterator[None]:
        logger = logging.getLogger(name)
        before = logger.level
        logger.setLevel(level)
        try:
            yield
        finally:
            logger.setLevel(before)

    return Shared(change)
