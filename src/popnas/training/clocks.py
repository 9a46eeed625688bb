"""What a training step costs: the thread's CPU time, wall time, or the device's own events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import torch


class TrainingClock(Protocol):
    """Adds up the time between `start` and `stop`; `seconds` may wait for the device and starts a new sum."""

    def start(self) -> None:
        """A step begins: its batch is on the device."""

    def stop(self) -> None:
        """The step's last operation was issued."""

    def seconds(self) -> float:
        """The sum since the last call."""


class HostClock:
    """Sums a host clock; for a CPU, where an operation is over when it returns."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self._sum = 0.0
        self._began = 0.0

    def start(self) -> None:
        """See `TrainingClock`."""
        self._began = self._read()

    def stop(self) -> None:
        """See `TrainingClock`."""
        self._sum += self._read() - self._began

    def seconds(self) -> float:
        """See `TrainingClock`."""
        total, self._sum = self._sum, 0.0
        return total


class EventClock:
    """Sums the time between pairs of CUDA events, so what runs on the device between steps is not counted."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pairs: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def start(self) -> None:
        """See `TrainingClock`."""
        pair = (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        self._pairs.append(pair)
        pair[0].record(torch.cuda.current_stream(self._device))

    def stop(self) -> None:
        """See `TrainingClock`."""
        self._pairs[-1][1].record(torch.cuda.current_stream(self._device))

    def seconds(self) -> float:
        """See `TrainingClock`."""
        torch.cuda.synchronize(self._device)
        total = sum(began.elapsed_time(ended) for began, ended in self._pairs) / 1000.0
        self._pairs.clear()
        return total


def clock_for(device: torch.device) -> TrainingClock:
    """The clock that measures a candidate on `device`, alone."""
    return EventClock(device) if device.type == "cuda" else HostClock(host_clock(device))


def host_clock(device: torch.device) -> Callable[[], float]:
    """What tells on this machine how long work on `device` takes that has been waited for.

    With one thread on a CPU this is the CPU time of the calling thread, which other processes on the
    machine do not stretch. That counts the backward pass too: torch runs it in the calling thread for a
    graph that lives on the CPU. With more threads, or another device, the work is elsewhere, and only wall
    time sees all of it.
    """
    is_in_thread = device.type == "cpu" and torch.get_num_threads() == 1
    return time.thread_time if is_in_thread else time.perf_counter
