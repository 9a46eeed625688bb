"""Optimizer arithmetic against steps worked out by hand."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from popnas.config.optimizers import OptimizerSpec
from popnas.training import TrainingSettings
from popnas.training.optimizers import load, make, scaler_for, set_rate, without_lookahead
from popnas.training.settings import LookaheadSettings

RATE, DECAY, FACTORS = 0.1, 0.02, (1.0, 0.5, 0.25)


def run(settings: TrainingSettings, weights: list[nn.Parameter], gradients: list[float]) -> list[list[float]]:
    """The first entry of each weight after each step, with the rates of FACTORS, gradients being uniform."""
    optimizer = make(weights, settings)
    seen = []
    for factor, gradient in zip(FACTORS, gradients, strict=True):
        for weight in weights:
            weight.grad = torch.full_like(weight, gradient)
        set_rate(optimizer, RATE * factor)
        optimizer.step()
        optimizer.zero_grad()
        seen.append([float(weight.detach().flatten()[0]) for weight in weights])
    return seen


def kernel_and_bias() -> list[nn.Parameter]:
    return [nn.Parameter(torch.full((2, 2), 1.5)), nn.Parameter(torch.full((2,), -0.5))]


def settings_of(kind: str, momentum: float = 0.0, **changes: object) -> TrainingSettings:
    optimizer = OptimizerSpec(kind, momentum=momentum)
    return TrainingSettings(learning_rate=RATE, weight_decay=DECAY, optimizer=optimizer).replace(**changes)


def adam_updates(gradients: list[float]) -> list[float]:
    """m_hat / (sqrt(v_hat) + eps) of each step (Kingma and Ba 2015, algorithm 1)."""
    m = v = 0.0
    updates = []
    for step, gradient in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        updates.append(m / (1 - 0.9**step) / (math.sqrt(v / (1 - 0.999**step)) + 1e-8))
    return updates


GRADIENTS = [0.3, -0.2, 0.7]


def test_adamw_takes_the_scheduled_share_from_every_weight() -> None:
    seen = run(settings_of("adamW"), kernel_and_bias(), GRADIENTS)
    for index, value in enumerate((1.5, -0.5)):
        for step, (factor, update) in enumerate(zip(FACTORS, adam_updates(GRADIENTS), strict=True)):
            value = value * (1 - DECAY * factor) - RATE * factor * update
            assert seen[step][index] == pytest.approx(value, rel=1e-6)


def test_sgdw_takes_the_scheduled_share_from_every_weight() -> None:
    seen = run(settings_of("SGDW", momentum=0.9), kernel_and_bias(), GRADIENTS)
    for index, value in enumerate((1.5, -0.5)):
        velocity = 0.0
        for step, (factor, gradient) in enumerate(zip(FACTORS, GRADIENTS, strict=True)):
            velocity = 0.9 * velocity + gradient
            value = value * (1 - DECAY * factor) - RATE * factor * velocity
            assert seen[step][index] == pytest.approx(value, rel=1e-6)


def test_sgd_penalises_kernels_only_with_twice_the_decay() -> None:
    seen = run(settings_of("SGD", momentum=0.9), kernel_and_bias(), GRADIENTS)
    for index, (value, decay) in enumerate(((1.5, DECAY), (-0.5, 0.0))):
        velocity = 0.0
        for step, (factor, gradient) in enumerate(zip(FACTORS, GRADIENTS, strict=True)):
            velocity = 0.9 * velocity + gradient + 2 * decay * value
            value -= RATE * factor * velocity
            assert seen[step][index] == pytest.approx(value, rel=1e-6)


def test_adam_penalises_kernels_only_with_twice_the_decay() -> None:
    seen = run(settings_of("adam"), kernel_and_bias(), GRADIENTS)
    for index, (value, decay) in enumerate(((1.5, DECAY), (-0.5, 0.0))):
        gradients: list[float] = []
        for step, (factor, gradient) in enumerate(zip(FACTORS, GRADIENTS, strict=True)):
            gradients.append(gradient + 2 * decay * value)
            value -= RATE * factor * adam_updates(gradients)[-1]
            assert seen[step][index] == pytest.approx(value, rel=1e-6)


def test_radam_is_torchs_with_l2_on_every_weight() -> None:
    reference = kernel_and_bias()
    expected = torch.optim.RAdam(reference, lr=RATE, weight_decay=DECAY)
    seen = run(settings_of("radam"), kernel_and_bias(), GRADIENTS)
    for step, (factor, gradient) in enumerate(zip(FACTORS, GRADIENTS, strict=True)):
        for weight in reference:
            weight.grad = torch.full_like(weight, gradient)
        set_rate(expected, RATE * factor)
        expected.step()
        assert seen[step] == pytest.approx([float(weight.detach().flatten()[0]) for weight in reference])


def test_lookahead_moves_slow_weights_every_sync_period() -> None:
    lookahead = LookaheadSettings(sync_period=2, slow_step_size=0.25)
    seen = run(settings_of("SGD", weight_decay=0.0, lookahead=lookahead), kernel_and_bias(), GRADIENTS)
    for index, start in enumerate((1.5, -0.5)):
        first = start - RATE * FACTORS[0] * GRADIENTS[0]
        fast = first - RATE * FACTORS[1] * GRADIENTS[1]
        synced = start + 0.25 * (fast - start)
        last = synced - RATE * FACTORS[2] * GRADIENTS[2]
        assert [values[index] for values in seen] == pytest.approx([first, synced, last], rel=1e-6)


@pytest.mark.parametrize("has_lookahead", [False, True])
@pytest.mark.parametrize("kind", ["adamW", "SGDW", "adam", "SGD", "radam"])
def test_gradients_that_overflow_in_float16_change_nothing(kind: str, has_lookahead: bool) -> None:
    """Neither weights, by their decay, nor moments; and what a scaler scales comes out as without one."""
    lookahead = LookaheadSettings(sync_period=2, slow_step_size=0.5) if has_lookahead else None
    settings = settings_of(kind, momentum=0.9, lookahead=lookahead)
    scaled, plain = kernel_and_bias(), kernel_and_bias()
    wanted = run(settings, plain, GRADIENTS)
    optimizer = make(scaled, settings)
    scaler = scaler_for(optimizer, torch.device("cpu"))
    seen = []
    for gradient in (math.inf, GRADIENTS[0], -math.inf, math.nan, *GRADIENTS[1:]):
        for weight in scaled:
            weight.grad = scaler.scale(torch.full_like(weight, gradient))
        set_rate(optimizer, RATE * FACTORS[len(seen)])
        before = [weight.detach().clone() for weight in scaled]
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        if math.isfinite(gradient):
            seen.append([float(weight.detach().flatten()[0]) for weight in scaled])
        else:
            assert all(torch.equal(*pair) for pair in zip(before, scaled, strict=True))
    for found, expected in zip(seen, wanted, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("has_lookahead", [False, True])
@pytest.mark.parametrize("kind", ["adamW", "SGDW", "adam", "SGD", "radam"])
def test_a_restored_optimizer_goes_on_as_the_first(kind: str, has_lookahead: bool) -> None:
    lookahead = LookaheadSettings(sync_period=2, slow_step_size=0.5) if has_lookahead else None
    settings = settings_of(kind, momentum=0.9 if kind.startswith("SGD") else 0.0, lookahead=lookahead)
    weights = kernel_and_bias()
    optimizer = make(weights, settings)

    def step(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], gradient: float) -> None:
        for weight in weights:
            weight.grad = torch.full_like(weight, gradient)
        optimizer.step()

    for gradient in GRADIENTS:
        step(optimizer, weights, gradient)
    twins = [nn.Parameter(weight.detach().clone()) for weight in weights]
    twin = make(twins, settings)
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for gradient in (0.1, -0.4, 0.2):
        step(optimizer, weights, gradient)
        step(twin, twins, gradient)
    for weight, other in zip(weights, twins, strict=True):
        assert torch.equal(weight, other)


@pytest.mark.parametrize("lookahead", [None, LookaheadSettings(2, 0.5)])
@pytest.mark.parametrize("kind", ["adamW", "adam", "radam", "SGD", "SGDW"])
def test_a_state_goes_on_with_the_kernels_of_its_new_device(
    kind: str, lookahead: LookaheadSettings | None
) -> None:
    """As where a TPU's checkpoint, whose optimizers count on the device, goes on on a CPU."""
    settings = settings_of(kind, 0.9 if "SGD" in kind else 0.0, lookahead=lookahead)

    def stepped(weights: list[nn.Parameter], optimizer: torch.optim.Optimizer, gradient: float) -> None:
        for weight in weights:
            weight.grad = torch.full_like(weight, gradient)
        optimizer.step()

    weights = kernel_and_bias()
    optimizer = make(weights, settings)
    stepped(weights, optimizer, 0.3)
    state = copy.deepcopy(optimizer.state_dict())
    for group in state.get("base_optimizer", state)["param_groups"]:
        group |= {"fused": None, "foreach": False, "capturable": True}
    others = [nn.Parameter(weight.detach().clone()) for weight in weights]
    other = make(others, settings)
    before = [dict(group) for group in without_lookahead(other).param_groups]
    load(other, state)
    for group, own in zip(without_lookahead(other).param_groups, before, strict=True):
        for name in ("fused", "foreach", "capturable"):
            assert name not in own or group[name] == own[name]
    for each, chosen in ((weights, optimizer), (others, other)):
        stepped(each, chosen, -0.2)
    for weight, expected in zip(others, weights, strict=True):
        assert torch.equal(weight, expected)
