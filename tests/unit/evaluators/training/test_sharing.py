"""Candidates that share the memory of a device; a CPU stands for a GPU."""

from __future__ import annotations

import fcntl
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from popnas.evaluation import CandidateJob, Curve, Measured
from popnas.evaluators.training import candidate, curve
from popnas.training.accelerated.turns import DeviceTurns
from popnas.workflows.settings import load_config

JOB = CandidateJob("[(-1, identity, -1, identity)]", 1, 0, 7)
DONE = Measured(params=1, flops=1, score=0.5)
TABLE_DONE, TABLE_NO_MEMORY = Curve(), Curve(error="no memory", error_kind="out_of_memory")
NO_MEMORY = Measured(params=1, flops=1, error="no memory", error_kind="out_of_memory")


@pytest.fixture
def evaluated(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What comes of candidates whose measuring ends so one after the other: the answers, what was given back
    in between, and whether another process could have had memory meanwhile."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)

    def run(
        ends: list[Any], number: int, *, shares_device: bool, module: Any = candidate, **changes: Any
    ) -> Any:
        told = load_config(config(**changes))
        events: list[str] = []
        left = iter(ends)
        setup = candidate.CandidateSetup(told.to_json(), None, None, False, num_sharing=1 + shares_device)
        context = candidate.setup(setup.to_json(), candidate.Worker())

        def measure(*_: Any) -> Measured:
            other = DeviceTurns.on(context.placement.device)
            assert other is not None
            is_free = other._memory.try_take(fcntl.LOCK_SH)
            other._memory.release()
            events.append("beside others" if is_free else "alone")
            return next(left)

        monkeypatch.setattr(module, "measure", measure)
        monkeypatch.setattr(candidate, "release", lambda device: events.append("given back"))
        answers = [module.evaluate(context, JOB.to_json()) for _ in range(number)]
        assert next(left, None) is None
        return [answer["error_kind"] for answer in answers], events

    return run


@pytest.mark.parametrize("timing", ["measured", "simulated"])
def test_who_shares_a_device_gives_back_what_each_candidate_has_left(evaluated, timing) -> None:
    fields = {"others.timing": timing}
    answers, events = evaluated([DONE, DONE], 2, shares_device=True, **fields)
    assert answers == [None, None] and events == 2 * ["beside others", "given back"]
    answers, events = evaluated([DONE, DONE], 2, shares_device=False, **fields)
    assert answers == [None, None] and events == 2 * ["beside others"]


def test_the_cells_of_a_table_share_a_device_as_those_of_a_search_do(evaluated) -> None:
    """One for which the others left too little memory would be a failure in the table for ever."""
    table = {"ends": [TABLE_NO_MEMORY, TABLE_DONE], "number": 1, "module": curve}
    answers, events = evaluated(**table, shares_device=True)
    assert answers == [None] and events == ["beside others", "given back", "alone", "given back"]
    table["ends"] = [TABLE_NO_MEMORY]
    answers, events = evaluated(**table, shares_device=False)
    assert answers == ["out_of_memory"] and events == ["beside others", "given back"]


@pytest.mark.parametrize("timing", ["measured", "simulated"])
def test_one_that_others_left_no_memory_is_tried_once_more_with_all_of_it(evaluated, timing, caplog) -> None:
    caplog.set_level(logging.INFO, "popnas.training")
    fields = {"others.timing": timing}
    answers, events = evaluated([NO_MEMORY, DONE, DONE], 2, shares_device=True, **fields)
    assert answers == [None, None]
    assert events == ["beside others", "given back", "alone", "given back", "beside others", "given back"]
    assert "is tried again without them" in caplog.text
    answers, events = evaluated([NO_MEMORY, NO_MEMORY], 1, shares_device=True, **fields)
    assert answers == ["out_of_memory"] and events[2:] == ["alone", "given back"]


def test_one_that_has_the_device_for_itself_or_fits_nowhere_is_not_tried_again(
    evaluated, monkeypatch
) -> None:
    answers, events = evaluated([NO_MEMORY], 1, shares_device=False)
    assert answers == ["out_of_memory"] and events == ["beside others", "given back"]

    def refuse(*_: Any) -> None:
        raise candidate.CandidateFailed("out_of_memory", "larger than the device")

    monkeypatch.setattr(candidate, "_check_fits", refuse)
    answers, events = evaluated([NO_MEMORY], 1, shares_device=True)
    assert answers == ["out_of_memory"] and events == ["beside others", "given back"]


def test_times_are_taken_in_turn_only_where_there_are_any(evaluated, config) -> None:
    for timing, is_timed in (("measured", True), ("simulated", False)):
        told = load_config(config(**{"others.timing": timing}))
        setup = candidate.CandidateSetup(told.to_json(), None, None, False, num_sharing=2)
        context = candidate.setup(setup.to_json(), candidate.Worker())
        assert context.turns is not None and (context.timed_in_turn is not None) == is_timed
