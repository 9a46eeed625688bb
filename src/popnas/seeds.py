"""Seeds derived from one root seed, stable across processes, machines and versions."""

from __future__ import annotations

import hashlib


def derive_seed(root: int, *parts: str | int) -> int:
    """A 63-bit seed for the purpose named by `parts`; any change of root or parts gives an unrelated seed."""
    text = "\x1f".join([str(root), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
