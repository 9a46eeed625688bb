"""Which state of a search a later stage was made from: a search that goes on may find better cells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from popnas.printable import counted
from popnas.records import Record
from popnas.runs import RunState
from popnas.storage import compact_json


@dataclass(frozen=True)
class SearchSnapshot(Record):
    """The state as a later stage keeps it: how much was trained, whether it had ended, a digest of that."""

    num_trained: int
    finish_reason: str | None
    sha256: str


def of(state: RunState) -> SearchSnapshot:
    """The state of a search now."""
    results = [[item.cell, item.score, item.error_kind] for item in state.evaluations]
    digest = hashlib.sha256(compact_json(results).encode()).hexdigest()
    return SearchSnapshot(len(results), state.finish_reason, digest)


def words(known: SearchSnapshot) -> str:
    """How far the search was, in words."""
    ends = {
        None: "was under way",
        "completed": "was completed",
        "max_hours": "had been stopped by its time limit",
    }
    end = ends.get(known.finish_reason, "had ended")
    return f"the search had trained {counted(known.num_trained, 'network')} and {end}"


def change(known: SearchSnapshot | None, state: RunState) -> str | None:
    """What has changed in the search since a stage was made from it, in words; None if nothing has, or if the
    stage does not say (a cell that was given; a stage of popnas 0.1.0)."""
    if known is None:
        return None
    now = of(state)
    if known.sha256 == now.sha256:
        return None
    present = words(now).replace(" had ", " has ").replace(" was ", " is ")
    return f"It was made when {words(known)}; now {present}."
