"""Names that a run's folder may bear: folders are copied to other systems, and typed into commands."""

from __future__ import annotations

import re

_LONGEST_NAME = 200
"""Bytes of a run's name: file systems allow 255, and what lies beside a run takes its name longer."""

_FORBIDDEN_ON_WINDOWS = frozenset('<>:"/\\|?*')
_DEVICE_ON_WINDOWS = re.compile(r"con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$", re.IGNORECASE)


def wrong_with(name: str) -> str | None:
    """What would go wrong with a run of that name later; None if nothing."""
    if name.startswith("-"):
        return "begins with '-' and would be taken for an option"
    if name.startswith((".", "~")):
        return f"begins with '{name[0]}' and would be passed over, or stand for another place"
    if name != name.strip():
        return "begins or ends with a space, which nobody sees"
    if (why := _on_windows(name)) is not None:
        return f"{why} on Windows, so that the run could not be copied there"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "is no text that can be written down"
    return f"is longer than {_LONGEST_NAME} bytes" if length > _LONGEST_NAME else None


def _on_windows(name: str) -> str | None:
    forbidden = sorted(_FORBIDDEN_ON_WINDOWS.intersection(name))
    if forbidden:
        return f"holds {' '.join(forbidden)}, which no name may hold"
    if name.endswith("."):
        return "ends with a dot, which is left out"
    # Whatever the case, and whatever follows a dot.
    if _DEVICE_ON_WINDOWS.fullmatch(name.partition(".")[0].strip()) is not None:
        return "is the name of a device"
    return None
