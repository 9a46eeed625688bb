"""A tracker that fails, hangs or is slow neither stops nor slows whoever tells it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from popnas.trackers import REGISTRY, Scope, TrackedNetwork, Tracker, Trackers, UnreachableError, _thread


class Told(Tracker):
    """Keeps what it is told; `before` is called ahead of each figure."""

    told: list[int]
    before: Callable[[int], None]

    def metrics(self, values: Any, step: int) -> None:
        type(self).before(step)
        self.told.append(step)

    def close(self) -> None:
        self.told.append(-1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Trackers, list[int]]]:
    REGISTRY.names()

    def make(before: Callable[[int], None]) -> tuple[Trackers, list[int]]:
        told: list[int] = []
        part = type("Part", (Told,), {"before": staticmethod(before), "told": told})
        monkeypatch.setattr(REGISTRY, "_parts", {**REGISTRY._parts, "told": (part, "")})
        return Trackers(["told"], Scope("run", tmp_path)), told

    return make


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_all_comes_in_order(opened) -> None:
    trackers, told = opened(lambda step: None)
    with trackers:
        for step in range(500):
            trackers.metrics({}, step)
    assert told == [*range(500), -1]
    assert trackers.failures == {}


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt("stop"), RuntimeError("broken")])
def test_one_that_would_end_the_program_ends_its_own_log(opened, raised) -> None:
    def fails(step: int) -> None:
        if step == 2:
            raise raised

    trackers, told = opened(fails)
    with trackers:
        for step in range(5):
            trackers.metrics({}, step)
    assert told == [0, 1, -1]
    assert trackers.failures == {"told": f"{type(raised).__name__}: {raised}"}


def test_one_that_hangs_is_left_behind_and_what_it_missed_is_counted(opened, gate, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(_thread, "MOST_WAITING", 10)
    trackers, told = opened(lambda step: gate.wait() if step == 2 else None)
    began = time.monotonic()
    with trackers:
        for step in range(3):
            trackers.metrics({}, step)
        while told != [0, 1]:
            time.sleep(0.01)
        for step in range(3, 103):
            trackers.metrics({}, step)
        assert time.monotonic() - began < 5.0  # nothing waited, though it hangs
    assert time.monotonic() - began < 10.0
    # One is in it, ten waited, ninety found no room.
    assert trackers.failures == {"told": "it is too slow; 101 of 103 messages did not get into it"}
    gate.set()


def test_networks_of_before_find_room_however_many_they_are(opened, gate, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "MOST_WAITING", 10)
    trackers, told = opened(lambda step: gate.wait() if step == 1 else None)
    made = []

    def network(number: int) -> TrackedNetwork:
        made.append(number)
        return TrackedNetwork(number, f"B1/{number}", {}, {"score": 0.5}, Path("none"))

    with trackers:
        trackers.networks(range(1, 101), network)
        while made != [1]:
            time.sleep(0.01)
        for step in range(101, 110):  # the hundred are one of the ten
            trackers.metrics({}, step)
        assert made == [1]  # each when it is its turn
        gate.set()
    assert told == [*range(1, 110), -1]
    assert trackers.failures == {}


def test_networks_that_did_not_get_in_are_counted_each(opened, gate, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 0.2)
    trackers, told = opened(lambda step: gate.wait() if step == 3 else None)
    with trackers:
        trackers.networks(range(1, 101), lambda number: TrackedNetwork(number, "", {}, {}, Path("none")))
        while told != [1, 2]:
            time.sleep(0.01)
    # Figures and network of two are told, and 196 messages are not.
    assert trackers.failures == {"told": "it is too slow; 196 of 200 messages did not get into it"}


def test_what_is_too_slow_when_the_end_comes_is_left_at_once(opened, gate, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 0.5)
    trackers, _ = opened(lambda step: gate.wait())
    trackers.metrics({}, 1)
    time.sleep(1.0)
    began = time.monotonic()
    trackers.close()
    assert time.monotonic() - began < 0.4
    assert "1 of 1 message did not get into it" in trackers.failures["told"]


def test_one_that_does_not_end_is_told(opened, gate, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(Told, "close", lambda self: gate.wait())
    trackers, told = opened(lambda step: None)
    with trackers:
        trackers.metrics({}, 1)
    assert told == [1]
    assert trackers.failures == {"told": "it is too slow and was left before it had ended"}


def test_a_slow_one_is_waited_for_while_it_gets_on(opened, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 0.5)
    trackers, told = opened(lambda step: time.sleep(0.1))
    with trackers:
        for step in range(8):  # longer in all than the patience
            trackers.metrics({}, step)
    assert told == [*range(8), -1]
    assert trackers.failures == {}


def test_the_longer_it_was_there_the_longer_it_is_waited_for(opened, gate, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(_thread, "_PATIENCE_SHARE", 2.0)
    trackers, told = opened(lambda step: time.sleep(0.4) if step else None)
    with trackers:
        trackers.metrics({}, 0)
        time.sleep(0.5)
        trackers.metrics({}, 1)
    assert told == [0, 1, -1]
    assert trackers.failures == {}


def test_but_not_for_ever(opened, monkeypatch) -> None:
    monkeypatch.setattr(_thread, "_LONGEST_WAIT", 0.4)
    trackers, _ = opened(lambda step: time.sleep(0.1))
    began = time.monotonic()
    with trackers:
        for step in range(50):
            trackers.metrics({}, step)
    assert time.monotonic() - began < 4.5
    assert "of 50 messages did not get into it" in trackers.failures["told"]


def test_what_does_not_get_through_is_tried_again_and_warned_of_once(opened, monkeypatch, caplog) -> None:
    monkeypatch.setattr(_thread, "_FIRST_PAUSE", 0.01)
    monkeypatch.setenv("MY_API_TOKEN", "geheim-1234")
    failures = iter([True, True, True, False])

    def before(step: int) -> None:
        if step == 1 and next(failures):
            raise UnreachableError("http://me:pass@host refused geheim-1234")

    trackers, told = opened(before)
    with trackers:
        for step in range(3):
            trackers.metrics({}, step)
        while len(told) < 3:
            time.sleep(0.01)
    assert told == [0, 1, 2, -1]
    assert trackers.failures == {}
    assert len(caplog.records) == 1
    assert "http://***@host refused ***" in caplog.text
    assert "pass" not in caplog.text.replace("passed", "") and "geheim" not in caplog.text


def test_one_that_never_answers_is_given_up_at_the_end_at_once(opened, monkeypatch) -> None:
    def before(step: int) -> None:
        raise UnreachableError("connection refused")

    monkeypatch.setattr(_thread, "_FIRST_PAUSE", 60.0)
    trackers, told = opened(before)
    trackers.metrics({}, 1)
    trackers.metrics({}, 2)
    time.sleep(0.05)
    began = time.monotonic()
    trackers.close()
    assert time.monotonic() - began < 5.0  # in the middle of a pause
    assert trackers.failures == {"told": "connection refused; 2 of 2 messages did not get into it"}
    assert told == [-1]
