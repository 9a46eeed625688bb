"""torch and forks: a child that was forked after torch had computed inherits its thread pools without their
threads, and waits for them for ever."""

from __future__ import annotations

import os

from popnas.errors import UserError

_has_computed = False
_is_forked_after = False


def check(what: str) -> None:
    """Before `what` computes with torch; what is forked from here on must not.

    Raises:
        UserError: this process was forked after torch had computed.
    """
    global _has_computed
    if _is_forked_after:
        raise UserError(
            f"{what} uses torch, which cannot be used in a process that was forked after torch had computed: "
            'it would hang. Start processes with multiprocessing.get_context("spawn"), or with joblib\'s '
            'default backend "loky".'
        )
    _has_computed = True


def _after_fork() -> None:
    global _is_forked_after
    _is_forked_after = _has_computed


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
