"""The grammar of optimizers and schedules."""

import pytest

from popnas.config import OptimizerSpec, SchedulerSpec, parse_optimizer, parse_scheduler
from popnas.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("adamW", OptimizerSpec("adamW")),
        ("adam", OptimizerSpec("adam")),
        ("SGD", OptimizerSpec("SGD", momentum=0.0)),
        ("SGDW: 0.9 momentum", OptimizerSpec("SGDW", momentum=0.9)),
        ("SGD:.5 momentum", OptimizerSpec("SGD", momentum=0.5)),
        ("radam", OptimizerSpec("radam", alpha=0.0)),
        ("radam: 1e-2 alpha", OptimizerSpec("radam", alpha=0.01)),
    ],
)
def test_optimizers(text, spec):
    assert parse_optimizer(text) == spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        (None, SchedulerSpec("constant")),
        ("cdr", SchedulerSpec("cdr", 3, 2, 1, 0)),
        ("cdr: 5 period", SchedulerSpec("cdr", 5, 2, 1, 0)),
        ("cdr: 3 period, 2 t_mul, 0.9 m_mul, 0.1 alpha", SchedulerSpec("cdr", 3, 2, 0.9, 0.1)),
        ("cdr: 1.5 t_mul,0.2 alpha", SchedulerSpec("cdr", 3, 1.5, 1, 0.2)),
        ("cd: 0.05 alpha", SchedulerSpec("cd", alpha=0.05)),
        ("cd", SchedulerSpec("cd")),
    ],
)
def test_schedules(text, spec):
    assert parse_scheduler(text) == spec


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (
            parse_optimizer,
            "AdamW",
            "'AdamW' does not start with a known kind. Did you mean 'adamW'? The forms are: adamW | adam | "
            "SGDW: M momentum | SGD: M momentum | radam: A alpha.",
        ),
        (
            parse_optimizer,
            "adam: 0.9 momentum",
            "'adam' takes no parameters, got ': 0.9 momentum'. Write 'adam'.",
        ),
        (
            parse_optimizer,
            "SGD: 0.9",
            "'0.9' must be a number and a name. The form is 'SGD: M momentum', in this order.",
        ),
        (parse_optimizer, "SGD: 1 momentum", "momentum must be at least 0 and below 1, got 1."),
        (
            parse_scheduler,
            "cdr: 2 t_mul, 3 period",
            "'period' is out of order or stands twice. The form is 'cdr: P period, T t_mul, M m_mul, A "
            "alpha', "
            "in this order.",
        ),
        (
            parse_scheduler,
            "cdr: 3 perid",
            "'perid' is no parameter of 'cdr'. Did you mean 'period'? The form is 'cdr: P period, T t_mul, "
            "M m_mul, A alpha', in this order.",
        ),
        (parse_scheduler, "cdr: 0 period", "period must be at least 0.01 and at most 100,000 epochs, got 0."),
        (parse_scheduler, "cd: 2 alpha", "alpha must be between 0 and 1, got 2."),
        (
            parse_scheduler,
            "",
            "'' does not start with a known kind. The forms are: cdr: P period, T t_mul, M m_mul, A alpha | "
            "cd: A alpha | null (constant).",
        ),
        (
            parse_scheduler,
            "cd:",
            "'' must be a number and a name. The form is 'cd: A alpha', in this order.",
        ),
    ],
)
def test_mistakes(parse, text, message):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.problems[0].message == message
