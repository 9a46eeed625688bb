"""Costs in bulk equal those of the networks that are built."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Cell, SearchSpace, bulk
from popnas.errors import UserError
from popnas.networks import MACROS, build, bulk_costs, network_cost
from popnas.networks.macros.classification import Classification
from popnas.networks.measured import measured_cost, num_trainable
from popnas.networks.spec import NetworkSpec

from .drawing import OPERATORS, random_cells, spaces, specs

SPEC = NetworkSpec(macro="classification", input_shape=(12, 12, 3), num_classes=4, filters=8, motifs=2)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_params_in_bulk_are_those_of_the_built_networks(data: st.DataObject, seed: int) -> None:
    spec = data.draw(specs())
    space = data.draw(spaces(spec.num_dims))
    cells = random_cells(space, 1, seed)
    params_N = bulk_costs(space.encode(cells, space.num_blocks), space, spec).params
    assert params_N.dtype == np.int64
    for cell, params in zip(cells, params_N.tolist(), strict=True):
        with torch.device("meta"):
            assert num_trainable(build(cell, spec)) == params, cell


@settings(max_examples=8, deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_flops_are_those_of_the_operations_that_run(data: st.DataObject, seed: int) -> None:
    spec = data.draw(specs())
    space = data.draw(spaces(spec.num_dims))
    cell = random_cells(space, 1, seed)[-1]
    assert network_cost(cell, spec) == measured_cost(cell, spec), cell


@pytest.mark.parametrize("num_dims", [1, 2])
def test_every_operator_is_counted_in_a_network(num_dims: int) -> None:
    spec = SPEC.replace(input_shape=SPEC.input_shape[-num_dims - 1 :], normal_cells_per_motif=1)
    for name in OPERATORS[num_dims]:
        cell = Cell.parse(f"[(-2, {name}, -1, identity);(0, {name}, -1, {name})]")
        assert network_cost(cell, spec) == measured_cost(cell, spec), name


def test_costs_do_not_depend_on_the_order_of_blocks() -> None:
    space = SearchSpace(OPERATORS[2][:5], 4, 2)
    cells_NB4 = space.random_cells(200, 4, np.random.default_rng(3))
    given, canonical = (bulk_costs(cells, space, SPEC) for cells in (cells_NB4, bulk.canonicalize(cells_NB4)))
    assert (given.params == canonical.params).all()
    assert (given.flops == canonical.flops).all()


def test_the_empty_cell_is_a_dense_layer_on_the_input() -> None:
    assert network_cost(Cell(()), SPEC).params == 3 * 4 + 4
    assert network_cost(Cell(()), SPEC).flops == 2 * 3 * 4


@pytest.mark.parametrize(
    ("stem", "params", "flops"),
    [
        ("conv", 27 * 8 + 16, 27 * 8 * 144),
        ("half", 27 * 8 + 16, 27 * 8 * 36),
        ("quarter", 27 * 8 + 16 + 72 * 8 + 16, 27 * 8 * 36 + 72 * 8 * 9),
    ],
)
def test_a_stem_costs_its_convolutions(stem: str, params: int, flops: int) -> None:
    empty = network_cost(Cell(()), SPEC.replace(stem=stem))
    assert empty.params == params + 8 * 4 + 4
    assert empty.flops == 2 * (flops + 8 * 4)


def test_far_lookbacks_cost_what_the_built_network_has() -> None:
    """Deep spaces take tables of the used lookbacks only."""
    spec = SPEC.replace(lookback_reshape=True)
    cell = Cell.parse("[(-9999, 3x3 conv, -3, identity);(-20, 3x3 dconv, 0, identity)]")
    assert network_cost(cell, spec).params == num_trainable(build(cell, spec))


def test_a_network_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(UserError, match="70 motifs"):
        network_cost(Cell.parse("[(-1, 3x3 conv, -1, identity)]"), SPEC.replace(motifs=70))


def test_lengths_cost_nothing() -> None:
    spec = SPEC.replace(input_shape=(20, 2))
    cell = Cell.parse("[(-1, 7 conv, -2, gru)]")
    assert network_cost(cell, spec.replace(has_lengths=True)) == network_cost(cell, spec)
    assert measured_cost(cell, spec.replace(has_lengths=True)) == network_cost(cell, spec)


def test_a_macro_architecture_without_a_formula_is_costed_by_building_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = SearchSpace(["3x3 conv", "identity"], 2, 2)
    cells_NB4 = space.random_cells(3, 2, np.random.default_rng(0))
    expected = bulk_costs(cells_NB4, space, SPEC)

    class WithoutFormula(Classification):
        def bulk_costs(self, *_: object) -> None:
            return None

    monkeypatch.setitem(MACROS._parts, "without formula", (WithoutFormula, ""))
    costs = bulk_costs(cells_NB4, space, SPEC.replace(macro="without formula"))
    assert costs.params.tolist() == expected.params.tolist()
    assert costs.flops.tolist() == expected.flops.tolist()
