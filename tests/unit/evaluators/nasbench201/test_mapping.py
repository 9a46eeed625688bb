"""Cells are the architectures that they compute: shown by computing both."""

from __future__ import annotations

import numpy as np
import pytest

from popnas.cells import Cell, SearchSpace, bulk
from popnas.errors import DataError
from popnas.evaluators.nasbench201 import architectures, mapping
from popnas.evaluators.nasbench201.architectures import EDGES, OPERATIONS

WEIGHTS = np.random.default_rng(0).normal(size=(len(OPERATIONS), 3))


def operation(name: str, x: np.ndarray) -> np.ndarray:
    """Something of its own for each, which no sum undoes; zeros stay zeros, as the shift of a normalisation
    aside they do in networks."""
    if name == "none":
        return np.zeros_like(x)
    if name == "skip_connect":
        return x
    a, b, c = WEIGHTS[OPERATIONS.index(name)]
    return np.asarray(np.tanh(a * x) + b * x**3 + c * x**2)


def of_architecture(edges_6: np.ndarray, x: np.ndarray) -> np.ndarray:
    nodes = [x, 0 * x, 0 * x, 0 * x]
    for (target, source), number in zip(EDGES, edges_6.tolist(), strict=True):
        nodes[target] = nodes[target] + operation(OPERATIONS[number], nodes[source])
    return nodes[3]


def of_cell(cell: Cell, x: np.ndarray, names: dict[str, str] | None = None) -> np.ndarray:
    """Blocks add their halves, and the cell those that no block reads."""
    blocks: list[np.ndarray] = []
    for in1, op1, in2, op2 in cell.blocks:
        halves = ((in1, op1), (in2, op2))
        inputs = [(x if place < 0 else blocks[place], name) for place, name in halves]
        blocks.append(
            np.sum([operation((names or {}).get(name, name), value) for value, name in inputs], axis=0)
        )
    return np.asarray(sum((blocks[place] for place in cell.unused_blocks), np.zeros_like(x)))


X = np.linspace(-1, 1, 5)


def test_codes_and_texts_are_one_to_one() -> None:
    codes = np.arange(architectures.NUM_ARCHITECTURES)
    edges = architectures.edges(codes)
    assert (architectures.codes(edges) == codes).all()
    for code in (0, 7, 4321, 15_624):
        assert architectures.parse(architectures.text(edges[code])) == edges[code].tolist()
    best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    assert architectures.text(np.array(architectures.parse(best))) == best
    for wrong in ("", best[:-3], best.replace("~0", "~1"), best.replace("skip_connect", "skip")):
        with pytest.raises(DataError, match="is no architecture of NAS-Bench-201, such as"):
            architectures.parse(wrong)


def test_architectures_that_are_called_equal_compute_the_same() -> None:
    functions = architectures.functions()
    assert len(np.unique(functions)) == 7595
    assert (functions <= np.arange(len(functions))).all() and (functions[functions] == functions).all()
    edges = architectures.edges(np.arange(len(functions)))
    for code in np.random.default_rng(1).integers(len(functions), size=1500):
        np.testing.assert_allclose(
            of_architecture(edges[code], X), of_architecture(edges[functions[code]], X), rtol=1e-9, atol=1e-12
        )


def test_a_native_cell_computes_its_architecture() -> None:
    native = mapping.native()
    space = SearchSpace(native.operators, 4, 1)
    assert np.bincount(bulk.num_blocks(native.cells)).tolist() == [1, 5, 125, 1625, 6390]
    for row in np.random.default_rng(2).permutation(len(native.cells))[:1500]:
        (cell,) = space.decode(native.cells[row : row + 1])
        edges = architectures.edges(native.codes[row : row + 1])[0]
        np.testing.assert_allclose(of_cell(cell, X), of_architecture(edges, X), rtol=1e-9, atol=1e-12)


def test_every_function_is_reached_natively_by_growing() -> None:
    native = mapping.native()
    functions = architectures.functions()
    assert set(functions[native.codes]) == set(functions)
    space = SearchSpace(native.operators, 4, 1)
    keys = {cell.key for cell in space.decode(native.cells)}
    steps = [native.cells[bulk.num_blocks(native.cells) == step][:, :step] for step in (1, 2, 3)]
    for step, parents in enumerate(steps, start=2):
        some = parents[:: max(len(parents) // 60, 1)]
        children = {cell.key for cell in space.decode(bulk.expand(some, space).canonical)}
        assert len(children & keys) > len(some)
        if step == 2:
            assert {key for key in keys if key.count("(") == 2} <= children


def test_of_the_last_step_no_two_compute_the_same() -> None:
    native = mapping.native()
    functions = architectures.functions()[native.codes]
    is_last = bulk.num_blocks(native.cells) == 4
    assert len(np.unique(functions[is_last])) == is_last.sum()
    assert not set(functions[is_last]) & set(functions[~is_last])


def test_a_compatible_cell_computes_its_architecture() -> None:
    compatible = mapping.compatible()
    space = SearchSpace(compatible.operators, 2, 1)
    for row in range(len(compatible.cells)):
        (cell,) = space.decode(compatible.cells[row : row + 1])
        assert not any(block.in1 == block.in2 == 0 for block in cell.blocks)
        edges = architectures.edges(compatible.codes[row : row + 1])[0]
        wanted = of_cell(cell, X, mapping.COMPATIBLE_OPERATORS)
        np.testing.assert_allclose(wanted, of_architecture(edges, X), rtol=1e-9, atol=1e-12)


def test_the_published_mapping_reaches_528_and_canonical_cells_fewer() -> None:
    reach = mapping.compatible_reach()
    assert len(reach) == 528
    codes = mapping.compatible().codes
    assert len(codes) == len(set(codes)) == 226
    assert set(codes[1:]) <= set(reach) and codes[0] == 0
