"""Names that are imported on first use, whole, whichever thread asks first."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from typing import Any

# Large libraries import themselves in circles. Two threads that enter one at different places are handed
# modules that are not complete yet (Python prefers that to a deadlock), so they enter one after the other.
_LOCK = threading.RLock()


def attribute(package: str, homes: Mapping[str, str], name: str) -> Any:
    """The name that `package` offers, from its home (a dotted name, or one below the package after a dot).

    Raises:
        AttributeError: the package offers no such name.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with _LOCK:
        return getattr(importlib.import_module(homes[name], package), name)
