"""How many threads decode files: decoding lets go of the interpreter's lock, so threads help."""

from __future__ import annotations

import os


def num_threads() -> int:
    """One per core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
