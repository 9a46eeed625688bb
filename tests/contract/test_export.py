"""Every operator family, on images and on series, leaves popnas as ONNX and as PyTorch source, with the same
numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from popnas import export, networks
from popnas.cells import Cell
from popnas.datasets.preprocessing import Preprocessing
from popnas.export.deployed import DeployedNetwork
from popnas.export.source import network_source
from popnas.networks import NetworkSpec
from popnas.operators import REGISTRY, check_name

SHAPES = {1: (11, 2), 2: (7, 9, 2)}
RAW = {1: Preprocessing((0.5, -1.0), (2.0, 0.25)), 2: Preprocessing.of_images(2)}


def _examples() -> list[tuple[str, int]]:
    """One operator of each family per dimensionality: its first example that suits."""
    found = []
    for _, family in REGISTRY.items():
        for num_dims in (1, 2):
            fitting = [name for name in family.examples if check_name(name, num_dims) is None]
            found += [(name, num_dims) for name in fitting[:1]]
    return found


EXAMPLES = _examples()
per_family = pytest.mark.parametrize(("name", "num_dims"), EXAMPLES, ids=[f"{n}-{d}d" for n, d in EXAMPLES])


def _network(name: str, num_dims: int) -> networks.Network:
    """A normal and a reduction cell: the operator is met with equal and changed depth, and with a stride."""
    spec = NetworkSpec("classification", SHAPES[num_dims], 3, filters=4, motifs=2, normal_cells_per_motif=1)
    torch.manual_seed(1)
    network = networks.build(Cell.parse(f"[(-1, {name}, -2, {name});(0, {name}, -1, identity)]"), spec)
    for norm in network.modules():  # as after training: no statistic at its neutral start
        for statistic in norm.buffers(recurse=False):
            if statistic.dim() == 1:
                statistic.uniform_(0.5, 1.5)
    return network.eval()


@per_family
def test_an_operator_is_exported_by_tracing(name: str, num_dims: int, tmp_path: Path) -> None:
    """`save_onnx` compares with PyTorch itself; here: that the quick exporter suffices, at any length."""
    check = export.save_onnx(_network(name, num_dims), RAW[num_dims], tmp_path / "model.onnx")
    assert check.exporter == "trace"
    assert check.has_dynamic_size == (num_dims == 1)
    assert check.max_difference < 1e-5
    assert len(check.sizes) == (2 if num_dims == 1 else 1)


STEMS = ("conv", "half", "quarter")
SHAPED = [
    ("classification", (7, 9, 2), "[(-1, 3x3 conv, -2, identity)]"),
    ("classification", (11, 2), "[(-1, 5 conv, -2, identity)]"),
    ("segmentation_fixed", (13, 9, 2), "[(-1, 3x3 conv, -2, identity)]"),
    ("segmentation_cells", (13, 9, 2), "[(-1, 3x3 conv, -2, identity)]"),
]


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize(("macro", "shape", "cell"), SHAPED, ids=lambda value: str(value))
def test_a_network_with_a_stem_is_exported_and_written_as_source(
    macro: str, shape: tuple[int, ...], cell: str, stem: str, tmp_path: Path
) -> None:
    spec = NetworkSpec(macro, shape, 3, filters=4, motifs=2, normal_cells_per_motif=1, stem=stem)
    torch.manual_seed(1)
    network = networks.build(Cell.parse(cell), spec).eval()
    raw = RAW[len(shape) - 1]
    check = export.save_onnx(network, raw, tmp_path / "model.onnx")
    assert check.exporter == "trace" and check.max_difference < 1e-5
    written = dict[str, Any]()
    exec(network_source(network, raw), written)
    twin = written["Network"]().eval()
    twin.load_state_dict(network.state_dict())
    x = torch.randn(2, 2, *shape[:-1])
    with torch.no_grad():
        torch.testing.assert_close(twin(x)[-1], network(x)[-1], rtol=0, atol=1e-6)


_RUNNER = """
import importlib, json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "popnas":
            raise ImportError("popnas is blocked")
sys.meta_path.insert(0, Blocked())
import torch
worst = {}
for folder in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("written", folder + "/network.py")
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)
    data = torch.load(folder + "/expected.pt", weights_only=True)
    found = written.predict(written.load(folder + "/weights.safetensors"), data["x"])
    worst[folder] = float((found - data["y"]).abs().max())
assert "popnas" not in sys.modules
print(json.dumps(worst))
"""


def test_every_operator_is_written_as_source_that_needs_no_popnas(tmp_path: Path) -> None:
    folders = []
    for number, (name, num_dims) in enumerate(EXAMPLES):
        network = _network(name, num_dims)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / "network.py").write_text(network_source(network, RAW[num_dims]))
        save_file(network.state_dict(), folder / "weights.safetensors")
        x = torch.randn(2, SHAPES[num_dims][-1], *SHAPES[num_dims][:-1]) * 3
        with torch.no_grad():
            torch.save({"x": x, "y": DeployedNetwork(network, RAW[num_dims])(x)}, folder / "expected.pt")
        folders.append(str(folder))
    ran = subprocess.run(
        [sys.executable, "-I", "-c", "import importlib.util\n" + _RUNNER, *folders],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    worst = json.loads(ran.stdout)
    assert len(worst) == len(EXAMPLES)
    assert max(worst.values()) < 1e-6, worst
