"""The learning rate's shape over a training: a factor per optimizer step, to be multiplied by the
configured rate; and how fast a training goes through it.

Cosine annealing with and without warm restarts: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent
with Warm Restarts", 2017. All functions are pure and free of torch.

A schedule that a limit breaks off leaves the network with a high learning rate, which costs more than the
epochs that are missed. So where not all epochs fit, each goes through more of the schedule, and the last one
that fits ends it (Li, Yumer and Ramanan, "Budgeted Training", 2020: schedules that end with the budget are
best at any budget).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from popnas.config.optimizers import SchedulerSpec

if TYPE_CHECKING:
    from popnas.training.parallel import Team
    from popnas.training.settings import TrainingSettings

Schedule = Callable[[float], float]
"""Of the position in a training, in steps from 0; a hurried one stands between them."""

DECOUPLED_KINDS = ("adamW", "SGDW")
"""Optimizers whose weight decay acts on the weights themselves and follows the schedule's shape."""

_RADAM_WARMUP = 0.1
# A restart falls on a whole step although period * t_mul**i is a rounded float.
_RESTART_TOLERANCE = 1e-9


def schedule(spec: SchedulerSpec, steps_per_epoch: int, epochs: int, warmup: float = 0) -> Schedule:
    """The factor of each step, counted from 0.

    `warmup` is in epochs: the factor grows linearly from 0 over them, then the schedule covers the steps
    that remain.
    """
    warmup_steps = round(warmup * steps_per_epoch)
    remaining_steps = max(epochs * steps_per_epoch - warmup_steps, 1)
    main = _main(spec, steps_per_epoch, remaining_steps)

    def factor(step: float) -> float:
        return step / warmup_steps if step < warmup_steps else main(step - warmup_steps)

    return factor


def radam_schedule(alpha: float, total_steps: int) -> Schedule:
    """RAdam's own: linear warm-up over the first tenth of the steps, then linear decay to `alpha` at the
    last step.

    Steps are counted from 1 inside, so that neither the first step nor, with `alpha` above 0, the last one
    is lost.
    """
    warmup_steps = total_steps * _RADAM_WARMUP
    decay_steps = max(total_steps - warmup_steps, 1.0)

    def factor(step: float) -> float:
        position = step + 1
        if position <= warmup_steps:
            return position / warmup_steps
        return 1.0 - (1.0 - alpha) * min((position - warmup_steps) / decay_steps, 1.0)

    return factor


def of_settings(settings: TrainingSettings, steps_per_epoch: int) -> Schedule:
    """The schedule that a training with `settings` follows."""
    if settings.optimizer.kind == "radam":
        return radam_schedule(settings.optimizer.alpha, settings.epochs * steps_per_epoch)
    return schedule(settings.scheduler, steps_per_epoch, settings.epochs, settings.warmup)


def rate_at(settings: TrainingSettings, steps_per_epoch: int) -> Schedule:
    """The learning rate of each step, counted from 0; made one at a time, however many there are."""
    factor = of_settings(settings, steps_per_epoch)
    return lambda step: settings.learning_rate * factor(step)


def per_step(settings: TrainingSettings, steps_per_epoch: int) -> tuple[list[float], list[float]]:
    """Learning rate and weight decay at each step of a training, as lists.

    A decoupled weight decay is the share of itself that a weight loses at that step, so it follows the
    schedule; with the other optimizers it is a constant penalty.
    """
    factor = of_settings(settings, steps_per_epoch)
    factors = [factor(step) for step in range(settings.epochs * steps_per_epoch)]
    is_decoupled = settings.optimizer.kind in DECOUPLED_KINDS
    return (
        [settings.learning_rate * value for value in factors],
        [settings.weight_decay * (value if is_decoupled else 1.0) for value in factors],
    )


def _main(spec: SchedulerSpec, steps_per_epoch: int, total_steps: int) -> Schedule:
    if spec.kind == "constant":
        return lambda step: 1.0
    if spec.kind == "cd":
        return lambda step: _cosine(min(step / total_steps, 1.0), 1.0, spec.alpha)
    assert spec.kind == "cdr", spec
    return _with_restarts(spec, spec.period * steps_per_epoch)


def _with_restarts(spec: SchedulerSpec, first_period: float) -> Schedule:
    def factor(step: float) -> float:
        periods = step / first_period  # in units of the first one
        if spec.t_mul == 1.0:
            cycle = math.floor(periods + _RESTART_TOLERANCE)
            start, length = float(cycle), 1.0
        else:
            cycle = math.floor(math.log(1.0 + periods * (spec.t_mul - 1.0), spec.t_mul) + _RESTART_TOLERANCE)
            length = spec.t_mul**cycle
            start = (length - 1.0) / (spec.t_mul - 1.0)
        return _cosine(max((periods - start) / length, 0.0), spec.m_mul**cycle, spec.alpha)

    return factor


def _cosine(fraction: float, peak: float, alpha: float) -> float:
    return (1.0 - alpha) * 0.5 * peak * (1.0 + math.cos(math.pi * fraction)) + alpha


_NUM_MEASURED = 3
_KNOWN_FROM = 0.01
"""Part of the time before which an epoch's duration is not believed: the first one loads and warms up."""
_TOLERANCE = 0.1
"""Part of an epoch that may be over the deadline."""


class TrainingPace:
    """Through how much of the schedule each epoch goes: through one epoch of it, or more if not all of them
    fit until the `deadline` (`time.monotonic()`; None: they do). `is_compiled`: the first epoch compiles, so
    that nothing follows from how long it takes.

    `position` is in epochs of the schedule, from 0 to `num_epochs`.
    """

    def __init__(
        self,
        num_epochs: int,
        deadline: float | None = None,
        team: Team | None = None,
        *,
        is_compiled: bool = False,
    ) -> None:
        self.num_epochs, self.deadline, self.team = num_epochs, deadline, team
        self.is_compiled = self._is_compiling = is_compiled
        self.position = 0.0
        self._began = self._last = time.monotonic()
        self._seconds: deque[float] = deque(maxlen=_NUM_MEASURED)

    def begin(self, num_done: int) -> None:
        """Training begins, or goes on after so many epochs."""
        self.position = float(num_done)
        self._is_compiling = self.is_compiled
        self._began = self._last = time.monotonic()

    def span(self) -> float:
        """How much of the schedule the next epoch goes through."""
        left = self.num_epochs - self.position
        fitting = self._num_fitting()
        span = 1.0 if fitting is None else max(left / max(fitting, 1), 1.0)
        if self.team is not None:  # each has its own clock, but all need the same learning rates
            span = self.team.as_leader_has(span)
        return min(span, left)

    def end(self, span: float) -> None:
        """An epoch that went through so much is over."""
        now = time.monotonic()
        if not self._is_compiling:
            self._seconds.append(now - self._last)
        self._is_compiling = False
        self._last = now
        self.position += span

    @property
    def is_through(self) -> bool:
        """Whether the schedule is done."""
        return self.position >= self.num_epochs - 1e-6

    @property
    def is_time_up(self) -> bool:
        """Whether no other epoch fits."""
        if self.deadline is None:
            return False
        return time.monotonic() >= self.deadline or self._num_fitting() == 0

    def _num_fitting(self) -> int | None:
        """Epochs that still fit; None where that is not known."""
        now = time.monotonic()
        if self.deadline is None or not self._seconds:
            return None
        if now - self._began < _KNOWN_FROM * (self.deadline - self._began):
            return None
        usual = max(sorted(self._seconds)[(len(self._seconds) - 1) // 2], 1e-9)
        return math.floor(max(self.deadline - now, 0.0) / usual + _TOLERANCE)
