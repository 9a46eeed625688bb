"""Clocks, inference time, simulated times, devices, settings."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Tensor

from popnas import config
from popnas.config.optimizers import OptimizerSpec, SchedulerSpec
from popnas.errors import UserError
from popnas.placement import Placement
from popnas.training import TrainingSettings, inference_seconds, simulated
from popnas.training.clocks import clock_for, host_clock
from popnas.training.device import available, choose, names
from popnas.training.settings import LookaheadSettings

CPU = torch.device("cpu")


def test_the_clock_counts_the_backward_pass_and_no_sleep() -> None:
    x = torch.randn(64, 16, 32, 32)
    convolution = torch.nn.Conv2d(16, 16, 3)
    loss = convolution(x).sum()
    before = time.process_time()
    clock = clock_for(CPU)
    clock.start()
    loss.backward()
    time.sleep(0.05)
    clock.stop()
    spent = time.process_time() - before
    assert clock.seconds() == pytest.approx(spent, rel=0.2, abs=0.003)
    assert clock.seconds() == 0.0


def test_what_is_waited_for_is_timed_by_where_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for a GPU, or for other threads, spends no CPU time."""
    assert host_clock(CPU) is time.thread_time
    assert host_clock(torch.device("cuda:1")) is time.perf_counter
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert host_clock(CPU) is time.perf_counter


def test_inference_time_is_measured_in_eval_mode_and_the_mode_restored(make_network: Any) -> None:
    network = make_network().train()
    modes: list[tuple[bool, bool]] = []
    network.register_forward_hook(
        lambda *_: modes.append((network.training, torch.is_inference_mode_enabled()))
    )
    seconds = inference_seconds(network, (4, 4, 2), 5, Placement(CPU))
    assert 0.0 < seconds < 1.0
    assert modes == [(False, True)] * 13
    assert {tuple(x.shape) for x in network.inputs} == {(5, 2, 4, 4)}
    assert network.training


def test_series_with_lengths_get_them() -> None:
    class Series(torch.nn.Module):
        def forward(self, x_BCL: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor]:
            assert x_BCL.shape == (2, 3, 7)
            assert lengths_B is not None
            assert lengths_B.tolist() == [7, 7]
            return (x_BCL.mean(2),)

    assert inference_seconds(Series(), (7, 3), 2, Placement(CPU), has_lengths=True) > 0.0


@pytest.mark.parametrize("shape", [(5, 1, 4, 6), (5, 3, 4, 6), (5, 1, 6), (5, 3, 6)])
def test_any_input_can_be_laid_out_channels_last(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    laid = Placement(CPU, torch.channels_last).laid_out(x)
    assert torch.equal(laid, x)
    image = laid if laid.dim() == 4 else laid.unsqueeze(2)
    assert image.stride(1) == 1
    assert image.stride(3) == shape[1]
    # What decides is what a convolution makes of it.
    made = torch.nn.functional.conv2d(image, torch.randn(8, shape[1], 1, 1))
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_layout_can_be_left_alone() -> None:
    x = torch.randn(2, 3, 4, 4)
    assert Placement(CPU).laid_out(x) is x
    assert Placement.on("cpu", num_dims=2, filters=8).memory_format is torch.channels_last


def test_simulated_times_grow_with_every_cost() -> None:
    base = simulated.training_seconds(10**6, 10**4, 1000, epochs=2)
    assert simulated.training_seconds(10**6, 10**4, 1000, epochs=4) == pytest.approx(2 * base)
    assert simulated.training_seconds(10**6, 10**4, 2000, epochs=2) == pytest.approx(2 * base)
    assert simulated.training_seconds(2 * 10**6, 10**4, 1000, epochs=2) > base
    assert simulated.training_seconds(10**6, 10**5, 1000, epochs=2) > base
    assert simulated.inference_seconds(10**6, 10**4, 8) > simulated.inference_seconds(10**6, 10**4, 1)
    assert simulated.inference_seconds(10**6, 10**5) > simulated.inference_seconds(10**6, 10**4)


def test_cpu_and_auto_are_always_there() -> None:
    assert choose("CPU") == CPU
    assert choose("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("strategy", ["GPU", "multi-GPU", "TPU", "gpu"])
def test_what_is_not_there_is_refused_naming_what_is(monkeypatch: Any, strategy: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(
        UserError,
        match=rf"train_strategy: '{strategy}' .* This machine has: CPU\. .*others\.train_strategy 'auto'",
    ):
        choose(strategy)


def test_gpus_are_taken_where_they_are(monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert names("auto") == names("GPU") == ("cuda:0",)
    assert names("multi-GPU") == ("cuda:0", "cuda:1")
    assert names("multi-GPU", num_gpus=3) == ("cuda:0", "cuda:1", "cuda:2")
    assert choose("multi-GPU") == torch.device("cuda", 0)
    assert names("CPU") == ("cpu",)
    assert available(2) == ["CPU", "GPU", "multi-GPU"]
    with pytest.raises(UserError, match=r"TPU.*has: CPU, GPU, multi-GPU"):
        choose("TPU")


def test_settings_come_from_a_configuration() -> None:
    run = config.load(
        {
            "dataset": {"type": "image_classification", "name": "digits"},
            "search_strategy": {"score_metric": "f1_score"},
            "training_hyperparameters": {
                "epochs": 7,
                "learning_rate": 0.02,
                "weight_decay": None,
                "drop_path": 0.4,
                "optimizer": {
                    "type": "SGDW: 0.9 momentum",
                    "scheduler": "cd: 0.1 alpha",
                    "warmup": 2,
                    "lookahead": {"sync_period": 4, "slow_step_size": 0.3},
                },
            },
        }
    )
    assert TrainingSettings.from_config(run) == TrainingSettings(
        epochs=7,
        learning_rate=0.02,
        weight_decay=0.0,
        optimizer=OptimizerSpec("SGDW", momentum=0.9),
        scheduler=SchedulerSpec("cd", alpha=0.1),
        warmup=2,
        lookahead=LookaheadSettings(4, 0.3),
        drop_path=0.4,
        score_metric="f1_score",
    )
