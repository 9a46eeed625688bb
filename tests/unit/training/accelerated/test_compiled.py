"""Networks that are compiled: each anew, and as they are where compiling fails. The compiler itself is a
stand-in behind PyTorch's own tracing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch._dynamo.config
from torch import Tensor
from torch.nn import functional

from popnas.placement import Placement
from popnas.runs import told
from popnas.training import TrainingSettings, loop
from popnas.training.accelerated import compiled
from popnas.training.stepper import PreparedBatch

SETTINGS = TrainingSettings(epochs=2, learning_rate=0.01, is_compiled=True)
CPU = Placement(torch.device("cpu"))
COMPILE = torch.compile


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Lets networks be compiled by a function."""
    monkeypatch.setattr(told, "_TOLD", set())

    def take(function: Any) -> None:
        monkeypatch.setattr(compiled.torch, "compile", partial(COMPILE, backend=function))

    yield take
    torch.compiler.reset()


def trained(train: Any, settings: TrainingSettings) -> list[float]:
    return [item.loss for item in train(settings).epochs]


@torch._dynamo.config.patch(recompile_limit=2)
def test_every_network_of_a_process_is_compiled(make_network: Any, compiler: Any) -> None:
    """PyTorch keeps a few programs, of all networks together, and then goes on uncompiled."""
    made: list[int] = []

    def compile_(graph: Any, inputs: list[Tensor]) -> Any:
        made.append(len(inputs))
        return graph.forward

    compiler(compile_)
    x = torch.randn(4, 2, 4, 4)
    for number in range(1, 5):
        network = make_network().eval()
        stepper = compiled.CompiledStepper(network, functional.cross_entropy, SETTINGS, CPU)
        batch = PreparedBatch(x, torch.zeros(4, dtype=torch.int64), None)
        torch.testing.assert_close(stepper.predict(batch), network(x, None))
        assert len(made) == number


@pytest.mark.parametrize("is_late", [False, True])
def test_what_cannot_be_compiled_is_trained_as_it_is(
    train: Any, compiler: Any, caplog: pytest.LogCaptureFixture, is_late: bool
) -> None:
    """Whether the first network fails or what comes after it, such as its validation."""
    num_asked = 0

    def refuse(graph: Any, inputs: list[Tensor]) -> Any:
        nonlocal num_asked
        num_asked += 1
        if is_late and num_asked == 1:
            return graph.forward
        raise OSError("no C compiler")

    compiler(refuse)
    with caplog.at_level(logging.WARNING):
        found = trained(train, SETTINGS)
    assert found == pytest.approx(trained(train, SETTINGS.replace(is_compiled=False)), rel=1e-4)
    (warning,) = [record.message for record in caplog.records if "could not be compiled" in record.message]
    assert "no C compiler" in warning and "others.enable_XLA_compilation" in warning
    assert num_asked == 1 + is_late


@pytest.mark.parametrize("is_rehearsed", [True, False])
def test_a_backward_pass_that_cannot_be_compiled_is_told_too(
    train: Any, compiler: Any, monkeypatch: pytest.MonkeyPatch, is_rehearsed: bool
) -> None:
    """It is compiled only when it is needed; its forward pass was compiled by then. A form of batch that
    comes late, or a training whose times are simulated, is not rehearsed."""
    if not is_rehearsed:
        monkeypatch.setattr(loop, "_MAX_WARMED", 0)
    from torch._dynamo.exc import BackendCompilerFailed

    class Backward(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *values: Tensor) -> Any:
            return tuple(value.clone() for value in values)

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Any:
            raise BackendCompilerFailed(refuse, OSError("no C compiler"), None)

    def refuse(graph: Any, inputs: list[Tensor]) -> Any:
        return lambda *values: Backward.apply(*graph.forward(*values))

    compiler(refuse)
    found = trained(train, SETTINGS)
    # Where it was not rehearsed, one batch draws its dropout a second time.
    rel = 1e-4 if is_rehearsed else 0.1
    assert found == pytest.approx(trained(train, SETTINGS.replace(is_compiled=False)), rel=rel)


def test_what_a_network_itself_raises_is_its_own(train: Any, compiler: Any, make_network: Any) -> None:
    class Broken(type(make_network())):
        def forward(self, x_BCHW: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, Tensor]:
            raise ValueError("shapes differ")

    compiler(lambda graph, inputs: graph.forward)
    with pytest.raises(Exception, match="shapes differ"):
        train(SETTINGS, network=Broken())
