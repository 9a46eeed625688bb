"""A user's macro-architecture: one file with a declaration and an entry point, nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from popnas.cells import Cell
from popnas.networks import MACROS, NetworkSpec, build, network_cost, num_cells_stacked, partitions
from popnas.networks.measured import num_trainable

MODULE = '''
from torch import nn

from popnas.networks import MACROS, MacroArchitecture, Network
from popnas.networks.cell import CellModule
from popnas.networks.plan import stack_plan


def inner(spec):
    return spec.replace(input_shape=(*spec.input_size, spec.filters), motifs=1, normal_cells_per_motif=1)


class OneCell(Network):
    """A stem, one cell, a pooled head."""

    def __init__(self, cell, spec):
        super().__init__(cell, spec, min(len(cell), 1), (1.0,))
        self.head = nn.Linear(spec.filters, spec.num_classes)
        self.stem = nn.Conv2d(spec.input_channels, spec.filters, 3, padding=1)
        plan = stack_plan(cell.lookbacks[0] if len(cell) else 0, 4, inner(spec))
        self.cells = nn.ModuleList(CellModule(cell, built, inner(spec), 0.0) for built in plan.cells)

    def forward(self, x, lengths_B=None):
        y = self.stem(x)
        for cell in self.cells:
            y = cell(*[y] * len(cell.lookbacks))
        return (self.head(y.mean((2, 3))),)


@MACROS.register("one_cell", description="a stem and one cell")
class OneCellMacro(MacroArchitecture):
    def build(self, cell, spec):
        return OneCell(cell, spec)

    def plan(self, nearest, lookback_depth, spec):
        return stack_plan(nearest, lookback_depth, inner(spec))
'''


@pytest.fixture
def own_macro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    MACROS.names()  # what is built in declares itself only once in a process
    (tmp_path / "one_cell_plugin.py").write_text(MODULE)
    installed = tmp_path / "one_cell_plugin-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: one-cell-plugin\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[popnas.networks]\none_cell = one_cell_plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(MACROS, "_parts", dict(MACROS._parts))
    monkeypatch.setattr(MACROS, "_is_discovered", False)
    yield "one_cell"
    sys.modules.pop("one_cell_plugin", None)


def test_it_is_found_built_and_costed(own_macro: str) -> None:
    assert own_macro in MACROS.names()
    spec = NetworkSpec(macro=own_macro, input_shape=(8, 8, 3), num_classes=3, filters=4, motifs=3)
    cell = Cell.parse("[(-2, 3x3 conv, -1, identity)]")
    network = build(cell, spec)
    assert network(torch.randn(2, 3, 8, 8))[0].shape == (2, 3)
    cost = network_cost(cell, spec)
    assert cost.params == num_trainable(network) == (27 * 4 + 4) + (9 * 16 + 8) + (4 * 3 + 3)
    assert cost.flops == 2 * (27 * 4 * 64 + 9 * 16 * 64 + 4 * 3)
    assert num_cells_stacked(cell, spec).tolist() == [1]
    assert np.array_equal(num_cells_stacked(Cell(()), spec), [0])
    assert partitions(cell, spec) == {"input -> cell_0": 4 * 8 * 8 * 4}
