"""How long a whole job still takes, in words."""

from __future__ import annotations


def words(seconds: float | None, limit: float | None = None) -> str | None:
    """The time left for a line on a terminal; without an honest estimate what `limit` allows, or nothing."""
    if seconds is None:
        return None if limit is None else f"whole job: at most {_shown(limit)} left (max_hours)"
    return f"whole job: about {_shown(seconds)} left"


def _shown(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.0f} min"
