"""The device of these tests is a file: it computes for one process at a time, and its clock goes on by what
it computes, for whomever. So what is measured on it is exact, however busy the machine is.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from popnas.placement import Placement
from popnas.process_state import one_at_a_time
from popnas.training import Course, Criteria, TrainingSettings, fit
from popnas.training.accelerated.turns import DeviceTurns, SoloClock, alone_on
from popnas.training.clocks import HostClock


class FakeDevice:
    """A step of a network takes a second, that of a batch of fewer than 16 half of it."""

    def __init__(self, folder: Path) -> None:
        self.handle = os.open(folder / "device", os.O_RDWR | os.O_CREAT)

    def compute(self, seconds: float = 1.0) -> None:
        fcntl.flock(self.handle, fcntl.LOCK_EX)
        os.pwrite(self.handle, struct.pack("d", self.now() + seconds), 0)
        fcntl.flock(self.handle, fcntl.LOCK_UN)

    def now(self) -> float:
        stored = os.pread(self.handle, 8, 0)
        return struct.unpack("d", stored)[0] if stored else 0.0


class CountingClock:
    """Each step takes `step_seconds`; it must be stopped before it is asked."""

    def __init__(self) -> None:
        self.step_seconds, self.sum, self.timed, self.is_running = 1.0, 0.0, 0, False

    def start(self) -> None:
        assert not self.is_running
        self.is_running = True

    def stop(self) -> None:
        assert self.is_running
        self.is_running = False
        self.timed += 1
        self.sum += self.step_seconds

    def seconds(self) -> float:
        assert not self.is_running
        total, self.sum = self.sum, 0.0
        return total


def epochs_by(
    clock: SoloClock, num_epochs: int, num_steps: int, before: Callable[[int], None] = lambda step: None
) -> list[float]:
    found = []
    for _ in range(num_epochs):
        for step in range(num_steps):
            before(step)
            clock.start()
            clock.stop()
        found.append(clock.seconds())
    return found


def test_an_epoch_lasts_as_long_as_its_steps_would_by_those_that_were_timed(tmp_path: Path) -> None:
    inner, place = CountingClock(), DeviceTurns(tmp_path, "cpu")

    def last_one_is_shorter(step: int) -> None:
        inner.step_seconds = 0.5 if step == 14 else 2.0

    with place.taking_part():
        found = epochs_by(SoloClock(inner, place, 15), 4, 15, last_one_is_shorter)
    assert found == 4 * [14 * 2.0 + 0.5]
    # 3 that warm up, 11 whole ones and the last of the first epoch, 9 and the last of the second, the last of
    # the third; the fourth is not timed at all.
    assert inner.timed == 20 + 3


@pytest.mark.parametrize("num_steps", [1, 2, 9])
def test_short_epochs_are_timed_from_their_first_step_on(tmp_path: Path, num_steps: int) -> None:
    inner, place = CountingClock(), DeviceTurns(tmp_path, "cpu")
    with place.taking_part():
        assert epochs_by(SoloClock(inner, place, num_steps), 2, num_steps) == 2 * [num_steps]
    assert inner.timed == 2 * num_steps


def test_who_measures_a_device_waits_for_those_who_compute_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    is_measuring, one = threading.Event(), DeviceTurns.on(torch.device("cpu"))
    assert one is not None

    def measure() -> None:
        with alone_on(torch.device("cpu")):
            is_measuring.set()

    with one.taking_part():
        thread = threading.Thread(target=measure)
        thread.start()
        assert not is_measuring.wait(0.1)
        one.pause()
        assert is_measuring.is_set()
    thread.join()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with alone_on(torch.device("cpu")), one_at_a_time("measuring"):
        pass  # nothing can be locked there


def test_who_needs_all_memory_waits_for_those_who_have_some_and_keeps_others_out(tmp_path: Path) -> None:
    order: list[str] = []
    one, all_of_it, late = (DeviceTurns(tmp_path, "cpu") for _ in range(3))

    def have(turns: DeviceTurns, name: str, *, all_of_it: bool) -> threading.Thread:
        def run() -> None:
            with turns.having_memory(all_of_it=all_of_it), turns.taking_part():
                order.append(f"{name} came")
                time.sleep(0.1)
                order.append(f"{name} left")

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.05)
        return thread

    with one.having_memory():
        threads = [have(all_of_it, "all", all_of_it=True), have(late, "late", all_of_it=False)]
        assert order == []
    for thread in threads:
        thread.join()
    assert order == ["all came", "all left", "late came", "late left"]


def test_who_measures_waits_for_those_who_compute_and_they_for_him(tmp_path: Path) -> None:
    order, is_measuring = [], threading.Event()
    one, other = DeviceTurns(tmp_path, "cpu"), DeviceTurns(tmp_path, "cpu")

    def measure() -> None:
        with other.alone():
            is_measuring.set()
            time.sleep(0.05)
            order.append("measured")

    with one.taking_part():
        thread = threading.Thread(target=measure)
        thread.start()
        assert not is_measuring.wait(0.1)  # no step of the other one is over
        one.pause()
        order.append("went on")
    thread.join()
    assert order == ["measured", "went on"]


def test_two_that_both_want_to_measure_do_so_one_after_the_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        place = DeviceTurns(tmp_path, "cpu")
        for _ in range(20):
            with place.taking_part():
                place.pause()
                with place.alone():
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0.0005)
                    inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert len(most) == 80 and max(most) == 1


def test_who_dies_while_measuring_holds_nobody_up(tmp_path: Path) -> None:
    place = DeviceTurns(tmp_path, "cpu")
    code = (
        "import fcntl, os, sys\n"
        "for path in sys.argv[1:]: fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX)\n"
        "print('alone', flush=True); sys.stdin.read()"
    )
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    held = [str(path) for path in sorted(tmp_path.iterdir())]
    with subprocess.Popen([sys.executable, "-c", code, *held], **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == "alone\n"
        assert not place._gate.try_take(fcntl.LOCK_SH)
        process.kill()
        with place.taking_part():
            place.pause()


def test_what_was_asked_of_the_device_is_done_before_another_measures(tmp_path: Path) -> None:
    drained: list[str] = []
    place = DeviceTurns(tmp_path, "cpu", lambda: drained.append("waited"))
    with place.taking_part():
        place.pause()
        assert not drained  # nobody measures, so no step waits for the device
        with place.alone():
            assert len(drained) == 1
    assert len(drained) == 3


def test_an_error_in_a_turn_ends_the_turn(tmp_path: Path) -> None:
    place, other = DeviceTurns(tmp_path, "cpu"), DeviceTurns(tmp_path, "cpu")

    def fail() -> None:
        raise RuntimeError("the device is gone")

    place._drain = fail
    with pytest.raises(ZeroDivisionError), other.taking_part():
        other.begin_alone()
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), place.taking_part():
        raise ZeroDivisionError
    assert other._gate.try_take(fcntl.LOCK_EX) and other._work.try_take(fcntl.LOCK_EX)


def test_a_folder_of_somebody_else_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    told: list[str] = []
    monkeypatch.setattr("popnas.runs.told.warning", told.append)
    assert DeviceTurns.on(torch.device("cpu")) is not None
    (place,) = tmp_path.iterdir()
    assert place.stat().st_mode & 0o077 == 0
    place.chmod(0o777)
    assert DeviceTurns.on(torch.device("cpu")) is None
    assert len(told) == 1 and "others.executor.workers" in told[0]


# --- the contract: times of those that share a device are those of the one that is alone


class Network(torch.nn.Module):
    """Computes on the fake device."""

    head_weights = (1.0,)

    def __init__(self, device: FakeDevice) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.device, self.dense = device, torch.nn.Linear(2, 3)

    def forward(self, x_BCHW: torch.Tensor, lengths: None = None) -> tuple[torch.Tensor]:
        self.device.compute(1.0 if len(x_BCHW) == 16 else 0.5)
        time.sleep(0.001)  # while others have the device, if they may
        return (self.dense(x_BCHW.mean((2, 3))),)

    def set_progress(self, fraction: float) -> None:
        pass

    def __deepcopy__(self, memo: Any) -> Network:
        return Network(self.device)


def trained(folder: Path, turns: DeviceTurns | None) -> list[float]:
    """Seconds of each epoch of 29 whole batches and one of half the size."""
    from tests.unit.training.conftest import Accuracy, Loader

    return [
        record.training_seconds
        for record in fit(
            Network(FakeDevice(folder)),
            Loader(num_samples=29 * 16 + 8),
            Loader(num_samples=16),
            Criteria(functional.cross_entropy, Accuracy),
            TrainingSettings(epochs=3),
            Placement(torch.device("cpu")),
            Course(seed=0, turns=turns),
        ).epochs
    ]


@contextmanager
def neighbours(folder: Path, number: int) -> Iterator[None]:
    """Other processes that train on the device all the time, and measure now and then."""
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.training.accelerated import test_turns as module\n"
        "folder = Path(sys.argv[1]); device = module.FakeDevice(folder)\n"
        "turns = module.DeviceTurns(folder, 'cpu')\n"
        "with turns.taking_part():\n"
        "    print('begun', flush=True)\n"
        "    while True:\n"
        "        for _ in range(30): turns.pause(); device.compute(); module.time.sleep(0.0005)\n"
        "        with turns.alone(): device.compute()\n"
    )
    command, started = [sys.executable, "-c", code, str(folder)], list[subprocess.Popen[str]]()
    try:
        for _ in range(number):
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for process in started:
            assert process.stdout is not None and process.stdout.readline() == "begun\n"
        yield
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_the_time_of_a_candidate_is_its_own_whoever_trains_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a GPU's events: from the first operation of a step to its last, whoever computes in between.
    device = FakeDevice(tmp_path)
    monkeypatch.setattr("popnas.training.loop.clock_for", lambda _: HostClock(device.now))
    as_alone = 3 * [29.5]
    assert trained(tmp_path, None) == as_alone
    turns = DeviceTurns(tmp_path, "cpu")
    with turns.taking_part():
        assert trained(tmp_path, turns) == as_alone
    with neighbours(tmp_path, 1):
        with turns.taking_part():
            assert trained(tmp_path, turns) == as_alone
        # That neighbours do slow it down who does not ask them to wait:
        assert min(trained(tmp_path, None)) > 1.2 * 29.5
