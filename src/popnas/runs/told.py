"""Warnings that concern a run's folder whoever opens it: each is logged once in a process.

Without a handler Python writes them to standard error, so every command tells them.
"""

from __future__ import annotations

import logging

_LOG = logging.getLogger("popnas")
_TOLD: set[str] = set()


def warning(text: str) -> None:
    """Log a sentence (without its full stop) as a warning, unless that was done before."""
    if text not in _TOLD:
        _TOLD.add(text)
        _LOG.warning("Warning: %s.", text)
