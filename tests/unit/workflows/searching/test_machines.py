"""Times of machines of several kinds are brought to those of one, the same one when a search goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from popnas.evaluation import Curve, Measured
from popnas.evaluators.training import candidate
from popnas.events import JobEvent, Warned
from popnas.executors import Worker
from popnas.executors.processes import ProcessesExecutor
from popnas.placement import Placement
from popnas.training import clocks
from popnas.workflows.searching.machines import Machines
from popnas.workflows.settings import load_config


def measured(kind: str | None, seconds: float = 0.1, **figures: Any) -> Measured:
    volatile = {} if kind is None else {"machine": kind, "machine_seconds": seconds}
    return Measured(**{"training_seconds": 6.0, "inference_seconds": 0.3, **figures}, volatile=volatile)


def test_times_are_those_of_the_first_kind() -> None:
    told: list[JobEvent] = []
    machines = Machines([], told.append)
    fast, slow = measured("fast"), measured("slow", 0.3)
    assert machines.alike(fast) is fast
    for _ in range(2):
        found = machines.alike(slow)
        assert (found.training_seconds, found.inference_seconds) == pytest.approx((2.0, 0.1))
        assert found.volatile["times_by"] == pytest.approx(1 / 3)
    # All of a kind are equal: the first that is timed stands for them.
    assert machines.alike(measured("slow", 0.4)).training_seconds == pytest.approx(2.0)
    assert machines.alike(measured("fast", 0.2)).training_seconds == 6.0
    (warned,) = told
    assert isinstance(warned, Warned)
    assert (
        "takes 300 ms on 'slow' and 100 ms on 'fast': times of the former are multiplied by 0.333"
        in warned.text
    )


def test_a_search_that_goes_on_elsewhere_keeps_its_kind() -> None:
    before = [measured(None).volatile, measured("slow", 0.3).volatile, measured("fast").volatile]
    machines = Machines(before, pytest.fail)
    assert machines.alike(measured("fast")).training_seconds == pytest.approx(18.0)
    assert machines.alike(measured("slow", 5.0)).training_seconds == 6.0


def test_all_epochs_of_a_training_for_a_table_are_brought_alike() -> None:
    machines = Machines([measured("fast").volatile], lambda event: None)
    curve = Curve({"accuracy": [0.5, 0.6]}, [3.0, 6.0], 0.3, volatile=measured("slow", 0.2).volatile)
    found = machines.alike_curve(curve)
    assert [*found.training_seconds, found.inference_seconds] == pytest.approx([1.5, 3.0, 0.15])
    assert found.metrics == curve.metrics and found.volatile["times_by"] == pytest.approx(0.5)
    failed = Curve(error="x", error_kind="nan", volatile=curve.volatile)
    assert machines.alike_curve(failed).training_seconds == []


def test_what_was_not_timed_or_failed_stays_as_it_is() -> None:
    machines = Machines([measured("fast").volatile], lambda event: None)
    for as_it_is in (measured(None), Measured(volatile={"machine": "slow"})):
        assert machines.alike(as_it_is) is as_it_is
    failed = measured("slow", 0.3, training_seconds=None, inference_seconds=None, error_kind="nan")
    assert machines.alike(failed).training_seconds is None


@pytest.mark.parametrize(("timing", "is_timed"), [("measured", True), ("simulated", False)])
def test_workers_on_other_machines_tell_what_theirs_is(
    tiny_config: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, timing: str, is_timed: bool
) -> None:
    changes = {"others.executor": {"kind": "processes"}, "others.timing": timing}
    made = load_config(tiny_config(**changes))
    payload = candidate.CandidateSetup(made.to_json(), None, None, judges_memory=False).to_json()
    assert candidate.setup(payload, Worker()).machine == {}
    monkeypatch.setattr(ProcessesExecutor, "shares_disk", False)
    monkeypatch.setattr("popnas.resources.processor", lambda: "a kind")
    machine = candidate.setup(payload, Worker()).machine
    assert machine["machine"] == "a kind"
    assert ("machine_seconds" in machine) is is_timed


def test_a_probe_takes_as_long_again() -> None:
    place = Placement.on("cpu", num_dims=2, filters=24)
    first, second = (clocks.probe_seconds(place) for _ in range(2))
    assert 1e-4 < first < 5.0
    assert 0.5 < first / second < 2.0
