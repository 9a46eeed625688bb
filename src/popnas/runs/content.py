"""Search content: what two equal runs share, in an order that does not depend on which candidate ended first.

One line per content object, sorted keys, shortest floats. Order: by step; in a step predictions, proposals,
evaluations in order of proposal, operator costs, events of other kinds, the step's end; then what has no
step, and last why the run ended. Events without content (a resume) and repetitions of an event (a kill
between its append and its use) are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from popnas.records import Json
from popnas.runs.journal import RESUMING, STOPPED, Event
from popnas.storage import compact_json

_RANKS = {
    "predictions": 0,
    "proposals": 1,
    "evaluation": 2,
    "operator_costs": 3,
    "step_finished": 5,
    "untrained_parents": 6,
}
_OTHER_RANK = 4
_COSTS_STEP = 1


def search_content(events: Iterable[Event]) -> list[str]:
    """The lines of the search content; two runs searched the same exactly if these are equal."""
    lines: dict[tuple[object, ...], str] = {}
    finish: Json | None = None
    for event in events:
        if event.event == "run_finished":
            finish = event.content
        elif event.content:
            line = compact_json(event.content)
            lines.setdefault(_place(event, line), line)
        if event.event in RESUMING and finish is not None and finish.get("reason") in STOPPED:
            finish = None  # it went on after a limit stopped it
    ordered = [lines[place] for place in sorted(lines)]  # type: ignore[type-var]
    return ordered if finish is None else [*ordered, compact_json(finish)]


def _place(event: Event, line: str) -> tuple[object, ...]:
    """Where a content object stands; equal for events that repeat one another."""
    content = event.content
    if event.event == "run_started":
        return (-1.0, 0, 0, "", "")
    step = content.get("step", _COSTS_STEP if event.event == "operator_costs" else math.inf)
    rank = _RANKS.get(event.event, _OTHER_RANK)
    if event.event == "evaluation":
        return (float(step), rank, content["index"], "", content["cell"])
    if rank != _OTHER_RANK:
        return (float(step), rank, content.get("round", 0), "", "")
    # Of repeated confirmations (measured times may differ) the first stands, as in the state.
    key = compact_json([content["cell"], content["repetition"]]) if event.event == "confirmation" else line
    return (float(step), rank, 0, event.event, key)
