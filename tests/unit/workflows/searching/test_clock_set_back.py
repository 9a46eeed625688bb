"""The wall clock may be set back at any time: figures and limits hold all the same."""

import itertools
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from popnas.events import CandidateFinished
from popnas.runs import RunFolder
from popnas.workflows.models import final_training, selection
from popnas.workflows.models.choices import CellChoice
from popnas.workflows.searching import search as room


@pytest.fixture
def falling(monkeypatch):
    """Every look at the wall clock finds it an hour earlier."""
    looks = itertools.count(1)
    now = time.time()

    class Falling(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(now, tz or UTC) - timedelta(hours=next(looks))

    monkeypatch.setattr(time, "time", lambda: now - 3600 * next(looks))
    monkeypatch.setattr(room, "datetime", Falling)
    return looks


def numbers(value):
    """All numbers in a JSON value."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_nothing_is_negative_and_no_limit_is_missed(falling, config, partial, tmp_path):
    told = []
    changes = {"others.timing": "measured", "others.max_hours": 1.0}
    found = room.search(config(**changes), name="run", logs=tmp_path, tell=told.append)
    assert found.reason == "completed", "an hour by the wall clock is over with every look at it"
    estimates = [event.seconds_left for event in told if isinstance(event, CandidateFinished)]
    lefts = [left for item in estimates for left in (item.step, item.search) if left is not None]
    assert lefts and all(0 <= left < 3600 for left in lefts)
    events = RunFolder.open(found.folder).journal.events()
    for event in events:
        seconds = {name: value for name, value in event.volatile.items() if "seconds" in name}
        assert all(0 <= value < 3600 for value in numbers(seconds)), event
        assert all(value >= 0 for value in numbers(event.content.get("training_seconds", 0))), event

    began = time.monotonic()
    limits = {"others": {"max_hours": 1.0}}
    selected = selection.select(found.folder, CellChoice(1), partial={**partial, **limits})
    trained = final_training.train(found.folder, partial={**partial, **limits})
    assert (selected.reason, trained.stopped) == ("completed", None)
    for folder in (selected.best.folder, trained.folder):
        log = json.loads((folder / "training.json").read_text())
        seconds = [log["training_seconds"], log["wall_seconds"], *log["epoch_seconds"]]
        assert all(0 <= value <= time.monotonic() - began for value in seconds), log
    assert next(falling) > 3


def test_a_limit_ends_a_search_though_the_clock_goes_back(falling, config, tmp_path):
    changes = {"others.timing": "measured", "others.max_hours": 1e-9}
    found = room.search(config(**changes), name="run", logs=tmp_path)
    assert found.reason == "max_hours"
    again = room.resume(found.folder, sets=["others.max_hours=null"])
    assert again.reason == "completed"
    events = RunFolder.open(found.folder).journal.events()
    times = [event.volatile["time"] for event in events if event.event in ("run_started", "run_resumed")]
    assert times == sorted(times, reverse=True) and len(times) > 1, "the clock was set back in between"
