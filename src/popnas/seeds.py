"""Seeds derived from one root seed, stable across processes, machines and versions."""

from __future__ import annotations

import hashlib


def derive_seed(root: int, *parts: str | int) -> int:
    """A 63-bit seed for the purpose named by `parts`; any change of root or parts gives an unrelated seed."""
    text = "\x1f".join([str(root), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def candidate_seed(root_seed: int, cell: str, repetition: int = 0) -> int:
    """The seed of a candidate: from the run's seed and the cell's canonical text; repetitions confirm a
    result.
    """
    parts = ["candidate", cell] if repetition == 0 else ["candidate", cell, repetition]
    return derive_seed(root_seed, *parts)
