"""Every registered macro-architecture: builds what it says and costs what it builds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from popnas.cells import Cell, SearchSpace
from popnas.networks import MACROS, NetworkSpec, build, bulk_costs, num_cells_stacked, partitions
from popnas.networks.macros import of_cells
from popnas.networks.measured import measured_cost

CELLS = [
    Cell(()),
    Cell.parse("[(-1, 3x3 conv, -1, identity)]"),
    Cell.parse("[(-2, 3x3 conv, -2, identity);(0, 2x2 maxpool, 0, 3x3 dconv)]"),
    Cell.parse("[(-3, 3x3 conv, -1, identity);(-1, 2x2 maxpool, -2, 3x3 dconv)]"),
]
SPACE = SearchSpace.covering(CELLS)


STEMS = (None, "conv", "half", "quarter")


@pytest.fixture(params=[(macro, stem) for macro in of_cells() for stem in STEMS], ids=str)
def spec(request: pytest.FixtureRequest) -> NetworkSpec:
    macro, stem = request.param
    return NetworkSpec(
        macro=macro,
        stem=stem,
        input_shape=(16, 16, 3),
        num_classes=3,
        filters=4,
        motifs=2,
        normal_cells_per_motif=1,
    )


def test_it_has_a_description(spec: NetworkSpec) -> None:
    assert MACROS.description(spec.macro)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_network_answers_per_head_and_is_trainable(spec: NetworkSpec, cell: Cell) -> None:
    network = build(cell, spec)
    logits = network(torch.randn(2, 3, 16, 16))
    assert len(logits) == len(network.head_weights)
    assert all(head.shape[:2] == (2, 3) and bool(head.isfinite().all()) for head in logits)
    sum(head.mean() for head in logits).backward()
    assert all(weight.grad is not None for weight in network.parameters())
    network.set_progress(0.5)


def test_its_costs_are_those_of_what_it_builds(spec: NetworkSpec) -> None:
    costs = bulk_costs(SPACE.encode(CELLS), SPACE, spec)
    measured = [measured_cost(cell, spec) for cell in CELLS]
    assert costs.params.tolist() == [cost.params for cost in measured]
    assert costs.flops.tolist() == [cost.flops for cost in measured]


def test_equal_seeds_give_equal_networks(spec: NetworkSpec) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build(CELLS[-1], spec).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_cells_stacked_and_cuts_agree(spec: NetworkSpec) -> None:
    stacked_N = num_cells_stacked(SPACE.encode(CELLS), spec)
    assert stacked_N.dtype == np.int64
    for cell, stacked in zip(CELLS, stacked_N.tolist(), strict=True):
        assert build(cell, spec).cells_stacked == stacked
        cuts = partitions(cell, spec)
        assert len(cuts) >= stacked
        assert all(size > 0 for size in cuts.values())
