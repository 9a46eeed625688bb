"""Work that threads do one after the other."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCKS = {"torch": threading.RLock(), "matplotlib": threading.RLock()}


@contextmanager
def in_turn(library: str) -> Iterator[None]:
    """One block at a time in this process, of those that use a library ("torch", "matplotlib") that keeps its
    state for all threads."""
    with _LOCKS[library]:
        yield


def _after_fork() -> None:
    """A thread that held a lock is not in the child."""
    _LOCKS.update({library: threading.RLock() for library in _LOCKS})


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
