"""What a kind of GPU is good at: in which layout and type of numbers a training step is fastest.

A choice that is timed anew each time would differ from run to run, so it is measured once per kind of device
and version of PyTorch, and kept: for this user, and in the folder of each run, where the run's workers, later
stages and a resumed search find it first. On a CPU nothing is measured: the rules of `placement` hold.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from popnas import files
from popnas.errors import StorageError
from popnas.placement import Placement
from popnas.records import FormError, Record
from popnas.runs import told
from popnas.storage import write_json
from popnas.training.clocks import TrainingClock, clock_for
from popnas.training.device import reproducible

Precision = Literal["float32", "bfloat16", "float16"]
_TYPES: dict[Precision, torch.dtype | None] = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
LEAST_GAIN = 1.1
"""So many times as fast another choice must be than the plainer one: less may be chance."""
_NUM_WARM_UPS, _NUM_ROUNDS, _NUM_STEPS = 3, 7, 4
_FILTERS, _SIZE, _BATCH_SIZE, _NUM_CLASSES = 24, 32, 128, 10
_FILE = "devices.json"


@dataclass(frozen=True)
class TimedStep(Record):
    """A training step in one type of numbers and layout of maps, in seconds."""

    precision: Precision
    is_channels_last: bool
    seconds: float


@dataclass(frozen=True)
class DeviceFacts(Record):
    """What was measured of a kind of device with a version of PyTorch; `flops`: of a step's forward pass."""

    kind: str
    version: str
    flops: int
    steps: tuple[TimedStep, ...]

    def __post_init__(self) -> None:
        found = {(step.precision, step.is_channels_last) for step in self.steps}
        if found != set(product(_TYPES, (False, True))) or not all(step.seconds > 0 for step in self.steps):
            raise FormError("has {} of other precisions, layouts or times than are measured", ("steps",))

    def _in(self, precision: Precision) -> TimedStep:
        """In the layout that suits the type."""
        plain, last = sorted(
            (step for step in self.steps if step.precision == precision),
            key=lambda step: step.is_channels_last,
        )
        return last if last.seconds * LEAST_GAIN <= plain.seconds else plain

    def best(self, has_mixed_precision: bool) -> TimedStep:
        """What to train in: float32 unless others are asked for and faster, and of these bfloat16, which
        needs no scaling, unless float16 is faster."""
        best = self._in("float32")
        for precision in ("bfloat16", "float16") if has_mixed_precision else ():
            step = self._in(precision)
            if step.seconds * LEAST_GAIN <= best.seconds:
                best = step
        return best

    def placement(
        self, device: torch.device, *, num_dims: int, filters: int, has_mixed_precision: bool
    ) -> Placement:
        """As `Placement.on`, by what was measured; the layout of series and of odd numbers of filters was
        not."""
        ruled = Placement.on(device, num_dims=num_dims, filters=filters)
        best = self.best(has_mixed_precision)
        layout = torch.channels_last if ruled.memory_format and best.is_channels_last else None
        return Placement(device, layout, _TYPES[best.precision], self.flops / best.seconds)

    def why_not_mixed(self) -> str | None:
        """A sentence's end on why two-byte floats are not computed in; None if they are."""
        if self.best(has_mixed_precision=True).precision != "float32":
            return None
        fastest = min(self._in("bfloat16").seconds, self._in("float16").seconds)
        gain = self._in("float32").seconds / fastest
        return (
            f"a training step in numbers of two bytes was {gain:.2f} times as fast as in float32 when it was "
            f"measured on {self.kind}, and they are taken from {LEAST_GAIN:g} times on"
        )


@dataclass(frozen=True)
class _Kept(Record):
    devices: tuple[DeviceFacts, ...]


def of(device: torch.device, run: Path | None = None) -> DeviceFacts | None:
    """What is known of a GPU, measured now if nothing is; None of a CPU, or where measuring failed.

    `run`: whose folder says what it began with, and is told if it does not know yet.
    """
    if device.type != "cuda":
        return None
    kind = torch.cuda.get_device_name(device)
    return known(kind, run, lambda: _tried(device, kind))


def known(kind: str, run: Path | None, measure: Callable[[], DeviceFacts | None]) -> DeviceFacts | None:
    """What the run, or else this user, has of a kind of device, or else `measure` gives; both have it then,
    as far as the disk lets them."""
    places = [_of_user()] if run is None else [run / "restore" / _FILE, _of_user()]
    found = [_read(place) for place in places]
    facts = next((each for kept in found for each in kept if _is_of(each, kind)), None) or measure()
    for place, kept in zip(places, found, strict=True):
        if facts is not None and not any(_is_of(each, kind) for each in kept):
            _write(place, (*kept, facts))
    return facts


def _is_of(facts: DeviceFacts, kind: str) -> bool:
    return (facts.kind, facts.version) == (kind, torch.__version__)


def _of_user() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "popnas" / _FILE


def _read(place: Path) -> tuple[DeviceFacts, ...]:
    """What lies there; nothing if that cannot be read: it is measured again."""
    try:
        return _Kept.from_json(files.read_object(place)).devices
    except (OSError, FormError):
        return ()


def _write(place: Path, kept: tuple[DeviceFacts, ...]) -> None:
    try:
        write_json(place, _Kept(kept).to_json())
    except (OSError, StorageError) as error:
        told.warning(f"what was measured of a device is not kept in {place}: {error}")


# --- measuring


def _tried(device: torch.device, kind: str) -> DeviceFacts | None:
    try:
        return measured(device, kind)
    except (RuntimeError, MemoryError) as error:
        told.warning(f"{kind} could not be measured, and is used by rule: {error}")
        return None


def measured(
    device: torch.device, kind: str, make_clock: Callable[[torch.device], TrainingClock] = clock_for
) -> DeviceFacts:
    """Time steps of a small network of convolutions in every type and layout, in turn, so that what else the
    device does meets all of them; seconds are medians."""
    from torch.utils.flop_counter import FlopCounterMode  # few processes measure

    variants = list(product(_TYPES, (False, True)))
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
    place = Placement(device, torch.channels_last if is_channels_last else None, _TYPES[precision])
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
