from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.config.optimizers import OptimizerSpec, SchedulerSpec, parse_scheduler
from popnas.training import TrainingSettings
from popnas.training.schedules import per_step, radam_schedule, schedule


def test_warmup_is_linear_from_zero_and_the_schedule_covers_the_rest() -> None:
    factor = schedule(parse_scheduler("cd"), steps_per_epoch=10, epochs=6, warmup=2)
    assert [factor(step) for step in (0, 5, 19)] == pytest.approx([0.0, 0.25, 0.95])
    assert factor(20) == 1.0
    assert factor(40) == pytest.approx(0.5)
    assert factor(59) == pytest.approx(0.5 * (1 + math.cos(math.pi * 39 / 40)))


def test_restarts_after_a_warmup_are_counted_from_its_end() -> None:
    factor = schedule(parse_scheduler("cdr: 1 period"), steps_per_epoch=10, epochs=8, warmup=1)
    peaks = [step for step in range(80) if factor(step) == 1.0]
    assert peaks == [10, 20, 40]


@given(
    period=st.integers(1, 4),
    t_mul=st.sampled_from([1.0, 1.1, 1.5, 2.0, 3.0]),
    m_mul=st.floats(0.5, 1.0),
    alpha=st.floats(0.0, 0.5),
)
def test_every_restart_starts_at_its_peak_and_falls(
    period: int, t_mul: float, m_mul: float, alpha: float
) -> None:
    factor = schedule(SchedulerSpec("cdr", period, t_mul, m_mul, alpha), steps_per_epoch=20, epochs=40)
    start, length = 0.0, period * 20.0
    for cycle in range(4):
        first = math.ceil(start - 1e-6)
        peak = alpha + (1 - alpha) * m_mul**cycle
        assert factor(first) <= peak + 1e-12
        assert factor(first) == pytest.approx(peak, rel=0.02)
        assert all(
            factor(step + 1) < factor(step) for step in range(first, math.ceil(start + length - 1e-6) - 1)
        )
        start, length = start + length, length * t_mul


def test_constant_is_constant() -> None:
    factor = schedule(parse_scheduler(None), steps_per_epoch=7, epochs=3)
    assert {factor(step) for step in range(21)} == {1.0}


def test_radam_warms_up_over_a_tenth_and_decays_to_alpha() -> None:
    factor = radam_schedule(alpha=0.2, total_steps=100)
    assert factor(0) == pytest.approx(0.1)
    assert factor(9) == 1.0
    assert factor(54) == pytest.approx(0.6)
    assert factor(99) == pytest.approx(0.2)


def test_radam_brings_its_own_schedule() -> None:
    settings = TrainingSettings(epochs=10, learning_rate=2.0, optimizer=OptimizerSpec("radam", alpha=0.5))
    rates, _ = per_step(settings, steps_per_epoch=10)
    assert max(rates) == 2.0
    assert rates[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "follows"), [("adamW", True), ("SGDW", True), ("adam", False), ("SGD", False)]
)
def test_only_decoupled_decay_follows_the_schedule(kind: str, follows: bool) -> None:
    settings = TrainingSettings(
        epochs=4, weight_decay=0.1, optimizer=OptimizerSpec(kind), scheduler=parse_scheduler("cd"), warmup=1
    )
    rates, decays = per_step(settings, steps_per_epoch=5)
    assert decays == pytest.approx([0.1 * rate / 0.01 if follows else 0.1 for rate in rates])


def test_schedules_settings_and_simulation_are_free_of_torch() -> None:
    program = (
        "import sys; import popnas.training.schedules, popnas.training.settings, popnas.training.simulated;"
        "from popnas.training import TrainingSettings; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
