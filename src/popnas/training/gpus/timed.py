"""Measuring: steps of a small network, timed in every type of numbers and layout."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from itertools import product
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from popnas.placement import Placement
from popnas.training.clocks import clock_for
from popnas.training.device import reproducible
from popnas.training.gpus.facts import TYPES, DeviceFacts, Precision, TimedStep
from popnas.training.interfaces import TrainingClock

_NUM_WARM_UPS, _NUM_ROUNDS, _NUM_STEPS = 3, 7, 4
_FILTERS, _SIZE, _BATCH_SIZE, _NUM_CLASSES = 24, 32, 128, 10


def measured(
    device: torch.device, kind: str, make_clock: Callable[[torch.device], TrainingClock] = clock_for
) -> DeviceFacts:
    """Time steps of a small network of convolutions in every type and layout, in turn, so that what else the
    device does meets all of them; seconds are medians."""
    from torch.utils.flop_counter import FlopCounterMode  # few processes measure

    variants = list(product(TYPES, (False, True)))
    with reproducible(device):
        torch.manual_seed(0)
        steps = {variant: _step_of(device, *variant) for variant in variants}
        with FlopCounterMode(display=False) as counter:
            steps["float32", False](is_forward_only=True)
        for _, step in product(range(_NUM_WARM_UPS), steps.values()):
            step()
        clock, seconds = make_clock(device), {variant: list[float]() for variant in variants}
        for _, variant in product(range(_NUM_ROUNDS), variants):
            clock.start()
            for _ in range(_NUM_STEPS):
                steps[variant]()
            clock.stop()
            seconds[variant].append(clock.seconds() / _NUM_STEPS)
    timed = (TimedStep(*variant, statistics.median(seconds[variant])) for variant in variants)
    return DeviceFacts(kind, torch.__version__, counter.get_total_flops(), tuple(timed))


class _Step(Protocol):
    def __call__(self, *, is_forward_only: bool = False) -> None: ...


def _step_of(device: torch.device, precision: Precision, is_channels_last: bool) -> _Step:
    """A training step of a network of its own; nothing is learnt but how long it takes."""
    place = Placement(device, torch.channels_last if is_channels_last else None, TYPES[precision])
    network = nn.Sequential(
        *_convolution(3, _FILTERS),
        *_convolution(_FILTERS, _FILTERS),
        *_convolution(_FILTERS, 2 * _FILTERS, stride=2),
        *_convolution(2 * _FILTERS, 2 * _FILTERS),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * _FILTERS, _NUM_CLASSES)),
    ).to(device)
    if is_channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    x_BCHW = place.laid_out(torch.rand(_BATCH_SIZE, 3, _SIZE, _SIZE).to(device))
    y_B = torch.zeros(_BATCH_SIZE, dtype=torch.int64, device=device)
    optimizer, autocast = torch.optim.AdamW(network.parameters(), fused=True), place.precision()

    def step(*, is_forward_only: bool = False) -> None:
        with autocast:
            logits_BK: Tensor = network(x_BCHW)
        if is_forward_only:
            return
        functional.cross_entropy(logits_BK.float(), y_B).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _convolution(inside: int, outside: int, stride: int = 1) -> tuple[nn.Module, ...]:
    layer = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
    return layer, nn.BatchNorm2d(outside), nn.SiLU()
