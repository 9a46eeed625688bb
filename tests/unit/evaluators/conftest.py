"""Searches of digits that take seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def config(tiny_config: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    return tiny_config


@pytest.fixture(autouse=True)
def quickly(quick_disk: None, one_thread: None, undrawn: None) -> None:
    """For every test here."""
