"""The small grammar of optimizers and schedules, and what their texts mean.

A text is a kind, then optionally a colon and parameters, each a number followed by its name, in the order of
the grammar, separated by commas: `SGDW: 0.9 momentum`, `cdr: 3 period, 2 t_mul, 1 m_mul, 0 alpha`. A
parameter that is left out takes its default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from popnas.errors import ConfigError, Problem, nearest

OPTIMIZER_PLACE = "training_hyperparameters.optimizer.type"
SCHEDULER_PLACE = "training_hyperparameters.optimizer.scheduler"


@dataclass(frozen=True)
class OptimizerSpec:
    """A parsed `optimizer.type`. `alpha` (radam) is the share of the learning rate that the decay ends at."""

    kind: str
    momentum: float = 0.0
    alpha: float = 0.0


@dataclass(frozen=True)
class SchedulerSpec:
    """A parsed `optimizer.scheduler`: "cdr" (cosine with warm restarts), "cd" (one cosine) or "constant".

    `period` is the first period in epochs, each next one is `t_mul` times as long and starts at `m_mul` times
    the rate; `alpha` is the share of the learning rate that a cosine ends at.
    """

    kind: str
    period: float = 3.0
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0


@dataclass(frozen=True)
class _Parameter:
    """One named number of the grammar, its bounds and the words that state them."""

    name: str
    rule: str
    low: float
    high: float
    is_low_open: bool = False
    is_high_open: bool = False

    def allows(self, value: float) -> bool:
        above = value > self.low if self.is_low_open else value >= self.low
        below = value < self.high if self.is_high_open else value <= self.high
        return above and below


_MOMENTUM = _Parameter("momentum", "at least 0 and below 1", 0, 1, is_high_open=True)
_ALPHA = _Parameter("alpha", "between 0 and 1", 0, 1)
# A restart within a step, or after any training's end, means nothing; greater factors overflow.
_PERIOD = _Parameter("period", "at least 0.01 and at most 100,000 epochs", 0.01, 1e5)
_T_MUL = _Parameter("t_mul", "at least 1 and at most 1,000", 1, 1000)
_M_MUL = _Parameter("m_mul", "above 0 and at most 1", 0, 1, is_low_open=True)

_OPTIMIZERS: dict[str, tuple[_Parameter, ...]] = {
    "adamW": (),
    "adam": (),
    "SGDW": (_MOMENTUM,),
    "SGD": (_MOMENTUM,),
    "radam": (_ALPHA,),
}
_SCHEDULERS: dict[str, tuple[_Parameter, ...]] = {"cdr": (_PERIOD, _T_MUL, _M_MUL, _ALPHA), "cd": (_ALPHA,)}

OPTIMIZER_GRAMMAR = "adamW | adam | SGDW: M momentum | SGD: M momentum | radam: A alpha"
SCHEDULER_GRAMMAR = "cdr: P period, T t_mul, M m_mul, A alpha | cd: A alpha | null (constant)"

_NUMBER_AND_NAME = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s+(\w+)\s*")


def parse_optimizer(text: str) -> OptimizerSpec:
    """Read an optimizer, e.g. "SGDW: 0.9 momentum". Raises ConfigError with the grammar."""
    try:
        kind, values = _parse(text, _OPTIMIZERS, OPTIMIZER_GRAMMAR)
    except ValueError as mistake:
        raise ConfigError([Problem(OPTIMIZER_PLACE, text, str(mistake))]) from None
    return OptimizerSpec(kind, **values)


def parse_scheduler(text: str | None) -> SchedulerSpec:
    """Read a schedule, e.g. "cdr: 3 period"; None is a constant rate. Raises ConfigError with the grammar."""
    if text is None:
        return SchedulerSpec("constant")
    try:
        kind, values = _parse(text, _SCHEDULERS, SCHEDULER_GRAMMAR)
    except ValueError as mistake:
        raise ConfigError([Problem(SCHEDULER_PLACE, text, str(mistake))]) from None
    return SchedulerSpec(kind, **values)


def _parse(text: str, kinds: dict[str, tuple[_Parameter, ...]], grammar: str) -> tuple[str, dict[str, float]]:
    head, colon, tail = text.partition(":")
    kind = head.strip()
    if kind not in kinds:
        raise ValueError(
            f"'{text}' does not start with a known kind.{nearest(kind, kinds)} The forms are: {grammar}."
        )
    if not colon:
        return kind, {}
    return kind, _parameters(tail, kind, kinds[kind])


def _parameters(tail: str, kind: str, allowed: tuple[_Parameter, ...]) -> dict[str, float]:
    names = [parameter.name for parameter in allowed]
    if not names:
        raise ValueError(f"'{kind}' takes no parameters, got ':{tail}'. Write '{kind}'.")
    form = f"The form is '{kind}: {', '.join(f'{name[0].upper()} {name}' for name in names)}', in this order."
    values: dict[str, float] = {}
    position = 0
    for part in tail.split(","):
        match = _NUMBER_AND_NAME.fullmatch(part)
        if match is None:
            raise ValueError(f"'{part.strip()}' must be a number and a name. {form}")
        name = match[2]
        if name not in names:
            raise ValueError(f"'{name}' is no parameter of '{kind}'.{nearest(name, names)} {form}")
        if names.index(name) < position:
            raise ValueError(f"'{name}' is out of order or stands twice. {form}")
        position = names.index(name) + 1
        value = float(match[1])
        if not allowed[position - 1].allows(value):
            raise ValueError(f"{name} must be {allowed[position - 1].rule}, got {match[1]}.")
        values[name] = value
    return values
