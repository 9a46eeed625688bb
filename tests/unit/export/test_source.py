from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from popnas import networks
from popnas.cells import Cell
from popnas.datasets.preprocessing import Preprocessing
from popnas.errors import ExportError
from popnas.export.deployed import DeployedNetwork
from popnas.export.source import network_source
from popnas.export.source.expressions import Call, Records, render
from popnas.layers import BatchNorm, Layer

IMAGES = Preprocessing.of_images(2)
CELL = "[(-1, 3x3 conv, -2, 3x3:2z zconv);(-2, 3x3:2dr dconv, 0, 8r SE);(-1, identity, -1, 2x2 avgpool)]"


def _imported(text: str, folder: Path, name: str = "written") -> ModuleType:
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _disturb(network: networks.Network) -> networks.Network:
    for module in network.modules():
        for statistic in module.buffers(recurse=False):
            if statistic.dim() == 1:
                statistic.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"is_post_search": True, "softmax_dropout": 0.3, "drop_path": 0.4, "motifs": 3},
        {"lookback_reshape": True, "se_cell_output": True, "motifs": 3, "block_join_operator": "avg"},
        {"concat_only_unused_blocks": False, "residual_cells": False, "multi_output": True},
        {"stem": "quarter"},
    ],
    ids=["plain", "post-search", "reshape", "all-joined", "stem"],
)
def test_every_head_gives_the_same(make_network, tmp_path: Path, changes: dict[str, object]) -> None:
    network = _disturb(make_network(CELL, (9, 7, 2), **changes))
    written = _imported(network_source(network, IMAGES), tmp_path)
    twin = written.Network().eval()
    assert list(twin.state_dict()) == list(network.state_dict())
    twin.load_state_dict(network.state_dict())
    x = torch.randn(2, 2, 9, 7)
    with torch.no_grad():
        for expected, found in zip(network(x), twin(x), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


CONVOLUTIONS = "[(-1, 3x3 conv, -1, 3x3 dconv)]"


@pytest.mark.parametrize(
    "activation",
    [
        "relu",
        "gelu",
        "leaky_relu",
        "hard_sigmoid",
        "elu",
        "softplus",
        "mish",
        "selu",
        "relu6",
        "softsign",
        "tanh",
        "linear",
        "exponential",
        "softmax",
    ],
)
def test_every_activation(make_network, tmp_path: Path, activation: str) -> None:
    # Without batch normalisation, which a gate has not, powers of e of powers of e outgrow all floats.
    cell = CONVOLUTIONS if activation == "exponential" else "[(-1, 3x3 conv, -1, 4r SE)]"
    network = make_network(cell, (5, 5, 2), activation=activation)
    x = torch.randn(2, 2, 5, 5)
    _normalise(network, x)
    twin = _imported(network_source(network, IMAGES), tmp_path).Network().eval()
    twin.load_state_dict(network.state_dict())
    assert torch.isfinite(network(x)[0]).all()
    torch.testing.assert_close(twin(x)[0], network(x)[0], rtol=0, atol=1e-6)


def _normalise(network: torch.nn.Module, x_BCHW: torch.Tensor) -> None:
    """Running statistics as of `x_BCHW`: without them powers of e grow beyond all floats."""

    def follow(norm: BatchNorm, inputs: tuple[torch.Tensor, ...]) -> None:
        norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
        norm.running_var.copy_(inputs[0].var((0, 2, 3)))

    norms = [m for m in network.modules() if isinstance(m, BatchNorm)]
    hooks = [norm.register_forward_pre_hook(follow) for norm in norms]
    with torch.no_grad():
        network(x_BCHW)
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("stem", [None, "half"])
def test_lengths_and_weights_from_the_file(make_network, tmp_path: Path, stem: str | None) -> None:
    network = make_network("[(-1, gru, -2, 5 maxpool)]", (9, 2), has_lengths=True, stem=stem)
    raw = Preprocessing((1.0, 2.0), (0.5, 0.25), True)
    written = _imported(network_source(network, raw), tmp_path)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    x, lengths = torch.randn(3, 2, 9), torch.tensor([9, 4, 1])
    found = written.predict(written.load(tmp_path / "weights.safetensors"), x, lengths)
    torch.testing.assert_close(found, DeployedNetwork(network, raw)(x, lengths), rtol=0, atol=1e-6)


def test_the_empty_cell(make_network, tmp_path: Path) -> None:
    network = make_network("[]", (9, 7, 2))
    twin = _imported(network_source(network, IMAGES), tmp_path).Network()
    twin.load_state_dict(network.state_dict())
    x = torch.randn(2, 2, 9, 7)
    torch.testing.assert_close(twin(x)[0], network(x)[0])


def test_the_file_is_tidy(make_network, tmp_path: Path) -> None:
    """Nothing imported or defined without use, lines that fit, only what the network has."""
    text = network_source(make_network(CELL, (9, 7, 2)), IMAGES)
    (tmp_path / "network.py").write_text(text)
    assert "class Recurrent" not in text and "popnas" not in text.split('"""')[2]
    assert max(map(len, text.splitlines()[1:])) <= 110
    ruff = shutil.which("ruff") or str(Path(sys.executable).with_name("ruff"))
    if Path(ruff).exists():
        command = [
            ruff,
            "check",
            "--isolated",
            "--no-cache",
            "--select",
            "F,E9",
            str(tmp_path / "network.py"),
        ]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_equal_cells_share_a_class(make_network) -> None:
    text = network_source(
        make_network("[(-1, 3x3 conv, -1, identity)]", (8, 8, 4), normal_cells_per_motif=3), IMAGES
    )
    assert text.count("class NormalCell") == 2  # of 4 and of 8 channels
    assert text.count("class ReductionCell") == 1


class _Made(Layer):
    """A user's layer, with a keyword and a nested layer."""

    def __init__(self, width: int, *layers: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.scale = scale

    def _on_map(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        return x_BCHW * self.scale


def test_calls_are_written_without_defaults() -> None:
    records = Records()
    with records.watching({_Made, nn.Linear}):
        made = _Made(3, nn.Linear(2, 4, bias=False), nn.Linear(4, 2), scale=0.5)
        plain = _Made(width=2)
    inner = "nn.Linear(2, 4, bias=False), nn.Linear(4, 2)"
    assert render(records.call(made), 0) == f"_Made(3, {inner}, scale=0.5)"
    assert render(records.call(plain), 0) == "_Made(2)"
    assert _Made.__init__.__qualname__ == "_Made.__init__"
    assert _Made(1).scale == 1.0, "classes are as they were"


class _Owner(_Made):
    def __init__(self, plan: object) -> None:
        super().__init__(1)
        self.weight = nn.Parameter(torch.ones(1))


def test_a_layer_made_with_something_that_has_no_source() -> None:
    """Its class takes the parts instead, unless there are weights that no part owns."""
    records = Records()
    with records.watching({_Made, _Owner, nn.Linear}):
        made, owner = _Made(object(), nn.Linear(1, 2), scale=3.0), _Owner(object())
    assert render(records.call(made), 0) == "_Made(layers=nn.ModuleList([nn.Linear(1, 2)]), scale=3.0)"
    assert list(records.rebuilt) == [_Made]
    with pytest.raises(ExportError, match="_Owner cannot be written as source: it owns weights"):
        records.call(owner)


def test_long_calls_are_broken() -> None:
    inner = Call("Inner", ((None, "1" * 60), ("name", "2" * 60)))
    assert render(Call("Outer", ((None, inner),)), 4, 10) == (
        "Outer(\n        Inner(\n            "
        + "1" * 60
        + ",\n            name="
        + "2" * 60
        + ",\n        ),\n    )"
    )


@pytest.mark.parametrize("macro", ["segmentation_fixed", "segmentation_cells"])
@pytest.mark.parametrize(
    "cell", ["[(-1, 3x3 conv, -2, 3x3:2z zconv)]", "[(-2, 2x2 maxpool, -2, identity)]", "[]"]
)
def test_macro_architectures_with_their_own_forward(tmp_path: Path, macro: str, cell: str) -> None:
    spec = networks.NetworkSpec(
        macro, (13, 10, 2), 3, filters=4, motifs=3, normal_cells_per_motif=1, is_post_search=True
    )
    torch.manual_seed(1)
    network = _disturb(networks.build(Cell.parse(cell), spec).eval())
    text = network_source(network, IMAGES)
    twin = _imported(text, tmp_path).Network().eval()
    twin.load_state_dict(network.state_dict())
    x = torch.randn(2, 2, 18, 11)  # another size than the spec's
    with torch.no_grad():
        for expected, found in zip(network(x), twin(x), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert "Plan" not in text and "NetworkSpec" not in text
