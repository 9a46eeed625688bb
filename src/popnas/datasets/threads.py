"""How many threads decode files: decoding lets go of the interpreter's lock, so threads help."""

from __future__ import annotations

from popnas.resources import available_cores


def num_threads() -> int:
    """One per core that this process may use."""
    return len(available_cores())
