"""Networks are compiled where their training is long enough, and never where that makes it slower."""

import pytest
import torch

from popnas.cells import Cell
from popnas.evaluators.training import compiling
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.workflows.settings import load_config

CELL = Cell.parse("[(-1, 3x3 conv, -1, 3x3 conv)]")
SPEC = NetworkSpec("classification", (32, 32, 3), 10, filters=24)


@pytest.fixture
def asked(config):
    """What is decided for a training of so many examples."""

    def ask(device, num_examples, train_strategy="auto", is_asked=True, num_devices=1, speed=None):
        fields = {"others.enable_XLA_compilation": is_asked, "others.train_strategy": train_strategy}
        made = load_config(config(**fields))
        return compiling.of_network(
            *(made, CELL, SPEC, Placement(torch.device(device), flops_per_second=speed), num_examples),
            num_devices=num_devices,
        )

    return ask


def test_a_long_training_on_a_gpu_is_compiled_and_a_short_one_says_why_not(asked):
    assert asked("cuda", 10_000_000_000) == compiling.Compiling(is_on=True)
    short = asked("cuda", 100)
    assert (
        not short.is_on and "others.enable_XLA_compilation: not compiled: a training takes" in short.why_not
    )


def test_how_long_a_training_takes_is_reckoned_by_the_speed_that_was_measured(asked):
    num_examples = 10_000_000
    ruled, slow, fast = (asked("cuda", num_examples, speed=speed) for speed in (None, 1e9, 1e15))
    assert slow.is_on and not fast.is_on
    assert ruled != slow or ruled != fast


def test_on_a_cpu_nothing_is_compiled_however_long(asked):
    found = asked("cpu", 10_000_000_000)
    assert not found.is_on and "on a CPU a compiled network trains slower" in found.why_not
    assert asked("cpu", 100, "CPU") == compiling.Compiling(), "the configuration says it already"


def test_what_several_devices_train_together_is_not_compiled(asked):
    found = asked("cuda", 10_000_000_000, num_devices=4)
    assert not found.is_on and "not compiled: 4 devices train the network together" in found.why_not


def test_who_has_not_asked_is_told_nothing(asked):
    for device in ("cpu", "cuda"):
        assert asked(device, 100, is_asked=False) == compiling.Compiling()
