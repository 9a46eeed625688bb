"""What a training step costs: the thread's CPU time, wall time, or the device's own events; and how fast a
machine is, by steps that are the same everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from popnas.placement import Placement
from popnas.training.accelerated import xla
from popnas.training.interfaces import TrainingClock

_PROBED_SHAPE, _PROBED_LAYERS = (32, 24, 16, 16), 3
_PROBE_GOES, _PROBE_STEPS = 8, {"cuda": 20}
"""The least of several goes: what else a machine does only adds to it."""


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
    if device.type == "xla":
        return xla.now
    is_in_thread = device.type == "cpu" and torch.get_num_threads() == 1
    return time.thread_time if is_in_thread else time.perf_counter


def probe_seconds(place: Placement) -> float:
    """Seconds of a step of a fixed small training at `place`, by the clock of candidates there: convolutions
    with normalization, forwards and backwards. Two machines are compared by it.

    With depthwise convolutions and pooling among its layers it said less of random cells (docs/log.md).
    """
    channels = _PROBED_SHAPE[1]
    with torch.random.fork_rng(devices=[place.device] if place.device.type == "cuda" else []):
        torch.manual_seed(0)
        layers = [
            nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
            for _ in range(_PROBED_LAYERS)
        ]
        network = nn.Sequential(*layers).to(place.device)
        if place.memory_format is not None:
            network = network.to(memory_format=place.memory_format)  # type: ignore[call-overload]
        x_BCHW = place.laid_out(torch.randn(_PROBED_SHAPE).to(place.device))
    clock, found = clock_for(place.device), list[float]()
    num_steps = _PROBE_STEPS.get(place.device.type, 1)
    for _ in range(_PROBE_GOES):
        for _ in range(num_steps):
            clock.start()
            with place.precision():
                loss = network(x_BCHW).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            clock.stop()
        found.append(clock.seconds() / num_steps)
    return min(found)
