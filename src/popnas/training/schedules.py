"""The learning rate's shape over a training: a factor per optimizer step, to be multiplied by the
configured rate.

Cosine annealing with and without warm restarts: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent
with Warm Restarts", 2017. All functions are pure and free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from popnas.config.optimizers import SchedulerSpec

if TYPE_CHECKING:
    from popnas.training.settings import TrainingSettings

Schedule = Callable[[int], float]

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

    def factor(step: int) -> float:
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

    def factor(step: int) -> float:
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
    def factor(step: int) -> float:
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
