"""Python's collector of cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from popnas.process_state.changes import Shared


@contextmanager
def _paused() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


collector_paused = Shared(_paused)
"""For a block that makes many objects that stay: the collector would walk through them again and again, a
fifth of the time in which a journal of 50,000 evaluations is read."""
