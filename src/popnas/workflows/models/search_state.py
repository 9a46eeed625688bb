"""Which state of a search a later stage was made from: a search that goes on may find better cells."""

from __future__ import annotations

import hashlib
from typing import Any

from popnas.printable import counted
from popnas.runs import RunState
from popnas.storage import compact_json


def of(state: RunState) -> dict[str, Any]:
    """The state as a later stage keeps it: how much was trained, whether it had ended, a digest of that."""
    results = [[item.cell, item.score, item.error_kind] for item in state.evaluations]
    return {
        "num_trained": len(results),
        "finish_reason": state.finish_reason,
        "sha256": hashlib.sha256(compact_json(results).encode()).hexdigest(),
    }


def words(known: dict[str, Any]) -> str:
    """How far the search was, in words."""
    reason = known["finish_reason"]
    ends = {
        None: "was under way",
        "completed": "was completed",
        "max_hours": "had been stopped by its time limit",
    }
    networks = counted(known["num_trained"], "network")
    return f"the search had trained {networks} and {ends.get(reason, 'had ended')}"


def change(known: dict[str, Any] | None, state: RunState) -> str | None:
    """What has changed in the search since a stage was made from it, in words; None if nothing has, or if the
    stage does not say (a cell that was given; a stage of popnas 0.1.0)."""
    if known is None:
        return None
    now = of(state)
    if known["sha256"] == now["sha256"]:
        return None
    present = words(now).replace(" had ", " has ").replace(" was ", " is ")
    return f"It was made when {words(known)}; now {present}."
