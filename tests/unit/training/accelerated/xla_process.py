"""Trainings by torch-xla on a CPU, each of which is a process: `python -m ...xla_process FUNCTION ARGUMENT`
prints what the function gives as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from typing import Any

import torch
from tests.unit.training.conftest import Accuracy, Loader, TwoHeads
from torch import nn
from torch.nn import functional

from popnas import networks
from popnas.cells import Cell
from popnas.config.optimizers import OptimizerSpec
from popnas.errors import UserError
from popnas.layers.recurrent import Recurrent
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.training import Course, Criteria, TrainingSettings, fit, inference_seconds
from popnas.training.accelerated import xla
from popnas.training.device import check_trains, choose
from popnas.training.settings import LookaheadSettings

CPU = torch.device("cpu")
BASE = TrainingSettings(epochs=4, learning_rate=0.01, weight_decay=1e-3)
KINDS = {
    "adamW": BASE.replace(ema_decay=0.9),
    "SGDW": BASE.replace(optimizer=OptimizerSpec("SGDW", 0.9)),
    "radam": BASE.replace(optimizer=OptimizerSpec("radam"), lookahead=LookaheadSettings(2, 0.5)),
    "mixed": BASE,
}
RESUMED = BASE.replace(ema_decay=0.9, lookahead=LookaheadSettings(5, 0.5))


def _fit(network: nn.Module, settings: TrainingSettings, place: Placement, **course: Any) -> dict[str, Any]:
    criteria = Criteria(functional.cross_entropy, Accuracy)
    loaders = Loader(), Loader(num_samples=20)
    result = fit(network, *loaders, criteria, settings, place, Course(seed=1, keeps_last=True, **course))
    states = result.best_state
    digest = hashlib.sha256(b"".join(states[name].numpy().tobytes() for name in sorted(states)))
    return {
        "losses": [epoch.loss for epoch in result.epochs],
        "validation_losses": [epoch.validation_loss for epoch in result.epochs],
        "seconds": [epoch.training_seconds for epoch in result.epochs],
        "devices": sorted({str(tensor.device) for tensor in states.values()}),
        "weights": digest.hexdigest(),
    }


def _tpu() -> torch.device:
    device = choose("TPU")
    check_trains(device)
    return device


def _two_heads(dropout: float = 0.0) -> TwoHeads:
    torch.manual_seed(3)
    network = TwoHeads()
    network.dropout.p = dropout
    return network


def trained(which: str) -> list[dict[str, Any]]:
    """On the CPU, and there."""
    found = []
    for device in (_tpu(), CPU):
        is_mixed = which == "mixed" and device != CPU
        place = Placement.on(device, num_dims=2, filters=8, has_mixed_precision=is_mixed)
        network, began = _two_heads(), time.monotonic()
        figures = _fit(network, KINDS[which], place)
        figures["wall_seconds"] = time.monotonic() - began
        figures["inference_seconds"] = inference_seconds(network, (4, 4, 2), 8, place)
        found.insert(0, figures)
    return found


def whole() -> dict[str, Any]:
    """A training of four epochs."""
    return _fit(_two_heads(0.2), RESUMED, Placement(_tpu()))


def killed(checkpoint: str) -> None:
    """The same, killed after two."""
    ended = []

    def on_epoch(record: Any, snapshot: Any) -> bool:
        ended.append(record)
        if len(ended) == 2:
            torch.save(snapshot(), checkpoint)
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    _fit(_two_heads(0.2), RESUMED, Placement(_tpu()), on_epoch=on_epoch)


def resumed(checkpoint: str) -> list[dict[str, Any]]:
    """What was killed, gone on with there, and on a CPU."""
    return [
        _fit(_two_heads(0.2), RESUMED, Placement(device), resume=torch.load(checkpoint, weights_only=True))
        for device in (_tpu(), CPU)
    ]


def drop_path() -> list[dict[str, Any]]:
    """Twice the same training, and once without any."""
    found = []
    for rate in (0.5, 0.5, 0.0):
        torch.manual_seed(3)
        spec = NetworkSpec(
            "classification", (4, 4, 2), 3, filters=4, motifs=1, normal_cells_per_motif=1, drop_path=rate
        )
        network = networks.build(Cell.parse("[(-1, identity, -1, 1x1 conv)]"), spec)
        found.append(_fit(network, BASE.replace(epochs=2, drop_path=rate), Placement(_tpu())))
    return found


def recurrent() -> list[list[float]]:
    """What the same GRU answers there, and on a CPU in the same process."""
    torch.manual_seed(0)
    layer, x_BC1L, device = Recurrent("gru", 2, 3), torch.rand(2, 2, 1, 4), _tpu()
    with torch.no_grad():
        there = layer.to(device)(x_BC1L.to(device)).cpu()
        return [there.flatten().tolist(), layer.cpu()(x_BC1L).flatten().tolist()]


def trained_before() -> str:
    """What is told."""
    torch.ones((), requires_grad=True).square().backward()
    try:
        _tpu()
    except UserError as error:
        return str(error)
    return "nothing"


if __name__ == "__main__":
    torch.set_num_threads(1)
    assert xla.is_installed()
    known = (trained, whole, killed, resumed, drop_path, recurrent, trained_before)
    functions = {each.__name__: each for each in known}
    sys.stdout.write(json.dumps(functions[sys.argv[1]](*sys.argv[2:])) + "\n")
