"""Export to ONNX and the check that decides whether the file counts.

Exporters have written wrong files without a word (recurrent layers above all), so a file is called saved
only after ONNX Runtime has reproduced PyTorch's numbers from it, at two batch sizes and, where the length of
series or the size of images (segmentation) may vary, at two of those.

Two exporters are tried in turn: tracing first, because it takes a tenth of a second where the one on
torch.export takes many seconds of a search that lasts minutes; the other where tracing fails the check.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from popnas.datasets.preprocessing import Preprocessing
from popnas.errors import ExportError
from popnas.export.deployed import DeployedNetwork
from popnas.export.model_values import OnnxCheck
from popnas.export.running import open_session
from popnas.networks.answering import Answering
from popnas.process_state import logger_at, torch_random_in_turn, without_warnings
from popnas.storage import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, check_replaceable, storage_errors

OPSET = 18
# Probabilities of both runtimes differ by rounding only; a wrong file differs by far more.
TOLERANCE = 1e-4
_CHECKED_BATCHES = (1, 3)
_QUIET = logger_at("torch.onnx", logging.CRITICAL)

Sample = tuple[Tensor, ...]


def save_onnx(network: Answering, preprocessing: Preprocessing, path: Path) -> OnnxCheck:
    """Write the network with its preprocessing as ONNX: `input` [and `lengths`] -> `probabilities`, any
    batch size.

    Series keep their length dynamic where the network allows it, and so do images their height and width
    where the answer is a class per pixel; else the size is fixed to that of the training.

    Raises:
        ExportError: no exporter gave a file that reproduces the network; nothing is left at `path` then.
        StorageError: the file cannot be written, or there is what is no file.
    """
    check_replaceable(path)
    was_training = network.training
    device = next(network.parameters()).device
    deployed = DeployedNetwork(network.cpu(), preprocessing)
    try:
        # Both exporters keep what they are at for the whole process: where two overlap, tracing fails in one
        # of them, and the other exporter folds constants otherwise, which makes an unequal file.
        with torch_random_in_turn():
            return _first_that_holds(deployed, path)
    finally:
        network.to(device).train(was_training)


def _first_that_holds(deployed: DeployedNetwork, path: Path) -> OnnxCheck:
    may_vary = deployed.network.contract.may_vary_in_size
    attempts = [
        (name, write, is_dynamic)
        for is_dynamic in ([True, False] if may_vary else [False])
        for name, write in _EXPORTERS
    ]
    failures = []
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, write, has_dynamic_size in attempts:
            with tempfile.TemporaryDirectory(TEMPORARY_SUFFIX, TEMPORARY_PREFIX, path.parent) as folder:
                part = Path(folder) / "model.onnx"
                try:
                    # The exporters warn of their own deprecations and of dynamic batches; the check decides.
                    with without_warnings(), _QUIET():
                        write(deployed, part, has_dynamic_size)
                    check = _check(deployed, part, name, has_dynamic_size)
                except OSError:
                    raise
                except Exception as error:
                    # Exporters raise whatever their many layers raise; each failure only moves on to the
                    # next attempt.
                    failures.append(
                        f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                    )
                    continue
                os.replace(part, path)  # noqa: PTH105 - both names in one call shows the atomic step
                return check
    raise ExportError(
        f"no ONNX file reproduces the network {deployed.network}; tried:\n  " + "\n  ".join(failures)
    )


def _check(deployed: DeployedNetwork, path: Path, exporter: str, has_dynamic_size: bool) -> OnnxCheck:
    """Compare with PyTorch; an ExportError if any probability differs by more than `TOLERANCE`."""
    session = open_session(path)
    size = deployed.network.contract.size
    # Half as long again, plus one: odd extents at every level of the network.
    larger = tuple(extent + extent // 2 + 1 for extent in size)
    sizes = [size, larger] if has_dynamic_size else [size]
    worst = 0.0
    for number, (batch, extent) in enumerate(
        (batch, extent) for batch in _CHECKED_BATCHES for extent in sizes
    ):
        sample = _sample(deployed, batch, extent, seed=number)
        feed = {name: tensor.numpy() for name, tensor in zip(_input_names(deployed), sample, strict=True)}
        found = session.run(["probabilities"], feed)[0]
        with torch.no_grad():
            expected = deployed(*sample).numpy()
        if found.shape != expected.shape or not np.isfinite(found).all():
            raise ExportError(
                f"ONNX Runtime gave {found.shape} for {expected.shape}, or values that are not finite"
            )
        worst = max(worst, float(np.abs(found - expected).max()))
    if worst > TOLERANCE:
        raise ExportError(
            f"probabilities of ONNX Runtime and PyTorch differ by {worst:.2g}, more than {TOLERANCE:g}"
        )
    return OnnxCheck(
        worst, list(_CHECKED_BATCHES), [list(extent) for extent in sizes], has_dynamic_size, exporter, OPSET
    )


def _sample(deployed: DeployedNetwork, batch: int, size: tuple[int, ...], seed: int) -> Sample:
    """Raw input that looks like data: standard normal (images: uniform) after preprocessing."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, deployed.network.contract.num_channels, *size)
    is_image = deployed.network.contract.num_dims == 2
    ready = torch.rand(shape, generator=generator) if is_image else torch.randn(shape, generator=generator)
    x = ready / deployed.scale + deployed.offset
    if not deployed.network.contract.has_lengths:
        return (x,)
    # The longest sample fills the tensor, as it does in training.
    lengths = torch.randint(1, size[0] + 1, (batch,), generator=generator)
    lengths[0] = size[0]
    return x, lengths


def _axes(deployed: DeployedNetwork, has_dynamic_size: bool) -> dict[str, dict[int, str]]:
    """The axes of inputs and output that may have any extent."""
    axes: dict[str, dict[int, str]] = {
        name: {0: "batch"} for name in [*_input_names(deployed), "probabilities"]
    }
    if has_dynamic_size and deployed.network.contract.num_dims == 1:
        axes["input"][2] = "timesteps"
    elif has_dynamic_size:
        for name in ("input", "probabilities"):
            axes[name] |= {2: "height", 3: "width"}
    return axes


def _input_names(deployed: DeployedNetwork) -> list[str]:
    return list(deployed.network.contract.input_names)


def _trace(deployed: DeployedNetwork, path: Path, has_dynamic_size: bool) -> None:
    names = _input_names(deployed)
    torch.onnx.export(
        deployed,
        _sample(deployed, 2, deployed.network.contract.size, seed=0),
        str(path),
        dynamo=False,
        input_names=names,
        output_names=["probabilities"],
        dynamic_axes=_axes(deployed, has_dynamic_size),
        opset_version=OPSET,
        verbose=False,  # it would print
    )


def _export(deployed: DeployedNetwork, path: Path, has_dynamic_size: bool) -> None:
    names = _input_names(deployed)
    axes = _axes(deployed, has_dynamic_size)
    shapes = tuple(dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC) for name in names)
    torch.onnx.export(
        deployed,
        _sample(deployed, 2, deployed.network.contract.size, seed=0),
        str(path),
        dynamo=True,
        input_names=names,
        output_names=["probabilities"],
        dynamic_shapes=shapes,
        opset_version=OPSET,
        external_data=False,
        verbose=False,
    )
    _forget_sources(path)


def _forget_sources(path: Path) -> None:
    """Remove the lines of source that this exporter notes at every node: paths of this machine, which make
    equal networks unequal files."""
    model = onnx.load(path)
    for item in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    for function in model.functions:
        for node in function.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
    onnx.save(model, path)


_EXPORTERS: list[tuple[str, Callable[[DeployedNetwork, Path, bool], None]]] = [
    ("trace", _trace),
    ("export", _export),
]
