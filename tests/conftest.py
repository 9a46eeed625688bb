"""What all tests share."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("popnas", deadline=None)
settings.load_profile("popnas")

# A shell that starts the tests in the background lets them, and every process that they start, ignore Ctrl-C,
# nohup a closed terminal; the tests that send these signals would then wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# As where popnas is installed: remedies say `popnas`, not by which path it was started.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _tiny_config(**changes: Any) -> dict[str, Any]:
    """Digits, 120 of them; `changes` like {"others.seed": 1}."""
    config: dict[str, Any] = {
        "search_space": {"blocks": 2, "operators": ["identity", "3x3 conv"]},
        "search_strategy": {"max_children": 3, "max_exploration_children": 1},
        "training_hyperparameters": {"epochs": 1},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "batch_size": 32,
            "validation_size": 0.25,
            "samples": 120,
        },
        "others": {"timing": "simulated", "executor": {"kind": "inline"}, "train_strategy": "CPU"},
    }
    for place, value in changes.items():
        section, key = place.split(".", 1)
        config[section][key] = value
    return config


@pytest.fixture
def tiny_config() -> Callable[..., dict[str, Any]]:
    """The configuration of a search that takes seconds, with changes."""
    return _tiny_config


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives a power failure is not tested here, and waiting for the disk takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
