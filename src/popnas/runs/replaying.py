"""A journal's events to the state that they led to, each checked before it is applied."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from popnas.errors import CellSyntaxError
from popnas.runs import validation
from popnas.runs.journal import Event, damaged_event
from popnas.runs.state import RunState


def replay(events: Iterable[Event], path: Path | None = None, state: RunState | None = None) -> RunState:
    """`state` (None: a new one) after all `events`; `path` is where they stand, for messages.

    Raises:
        JournalError: an event is whole, but its content cannot come from a search.
    """
    state = RunState() if state is None else state
    for event in events:
        try:
            validation.check(event, state)
            state.apply(event)
        except (ValueError, TypeError, KeyError, AttributeError, CellSyntaxError) as error:
            raise damaged_event(path, event, error) from error
    return state
