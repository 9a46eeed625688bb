from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from popnas.cells import Cell, SearchSpace, bulk
from popnas.predictors import PredictorContext
from popnas.predictors.neural import _gin_bulk
from popnas.predictors.neural._gin_network import NetworkWeights, NodeTypes, forward, graphs
from popnas.predictors.neural._graphs import node_types, predecessors
from popnas.predictors.neural.gin import GinPredictor

SPACE = SearchSpace([f"{size}x{size} conv" for size in (1, 3, 5, 7)], 4, 3)
CONTEXT = PredictorContext(SPACE, len, np.zeros(4))  # neither cells stacked nor costs are asked for
TYPES = NodeTypes(3, 4)


@pytest.fixture(scope="module")
def weights() -> NetworkWeights:
    weights = NetworkWeights.random(TYPES, 5, seed=0)
    generator = torch.Generator().manual_seed(1)
    for bias in weights.biases:
        bias.normal_(0, 0.3, generator=generator)
    return weights


def mixed_cells(num_cells: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    cells_NB4 = SPACE.random_cells(num_cells, 4, rng)
    cells_NB4[np.arange(4) >= rng.integers(0, 5, num_cells)[:, None]] = (0, -1, 0, -1)
    return cells_NB4


def test_the_graph_of_a_cell() -> None:
    space = SearchSpace(["a", "b"], 3, 2)
    cells_NB4 = space.encode([Cell.parse("[(-2, a, -2, b);(-2, b, 0, a);(0, a, -2, a)]")])
    types = node_types(cells_NB4, 2, 2)[0]
    join, concat = 4, 5
    assert types.tolist() == [-1, 1, 2, 3, join, 3, 2, join, 2, 2, join, concat]
    edges = predecessors(cells_NB4, 2)[0]
    taken = {node: np.flatnonzero(edges[node]).tolist() for node in range(len(types)) if edges[node].any()}
    assert taken == {
        2: [1],
        3: [1],
        4: [2, 3],
        5: [1],
        6: [4],
        7: [5, 6],
        8: [4],
        9: [1],
        10: [8, 9],
        11: [7, 10],
    }


def test_one_unused_block_needs_no_concatenation() -> None:
    space = SearchSpace(["a"], 2, 1)
    cells_NB4 = space.encode([Cell.parse("[(-1, a, -1, a);(0, a, 0, a)]")])
    assert node_types(cells_NB4, 1, 1)[0, -1] == -1
    assert not predecessors(cells_NB4, 1)[0, -1].any()


def test_sharing_among_siblings_gives_what_whole_graphs_give(weights: NetworkWeights) -> None:
    cells_NB4 = mixed_cells(400)
    with torch.inference_mode():
        whole = forward(weights, graphs(cells_NB4, TYPES)).T.numpy()
        shared = _gin_bulk.predict_outputs(weights, TYPES, cells_NB4, None)
    assert np.ptp(whole) > 0.1
    np.testing.assert_allclose(shared, whole, atol=3e-6)


def test_many_parents_are_taken_in_batches(weights: NetworkWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    cells_NB4 = mixed_cells(300)
    with torch.inference_mode():
        together = _gin_bulk.predict_outputs(weights, TYPES, cells_NB4, None)
        monkeypatch.setattr(_gin_bulk, "_PARENTS", 7)
        np.testing.assert_array_equal(_gin_bulk.predict_outputs(weights, TYPES, cells_NB4, None), together)


def test_a_wrong_hint_is_noticed(weights: NetworkWeights) -> None:
    cells_NB4 = SPACE.random_cells(10, 3, np.random.default_rng(0))
    with pytest.raises(AssertionError, match="siblings"):
        _gin_bulk.predict_outputs(weights, TYPES, cells_NB4, np.zeros(10, dtype=np.int64))


@pytest.mark.parametrize(("width_in", "width_out"), [(30, 60), (60, 120), (120, 100)])
def test_a_row_of_a_product_does_not_depend_on_its_place(width_in: int, width_out: int) -> None:
    """What "alone as in a batch" rests on; it holds for the matrix products of this machine or fails here."""
    rows = _gin_bulk._ROWS
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(rows, 5 * width_in, generator=generator)
    kernel = torch.randn(width_in, width_out, generator=generator)
    outputs = inputs[:, 2 * width_in : 3 * width_in] @ kernel
    for row in range(0, rows, 5):
        alone = torch.zeros(rows, 5 * width_in)
        alone[0] = inputs[row]
        torch.testing.assert_close(
            (alone[:, 2 * width_in : 3 * width_in] @ kernel)[0], outputs[row], rtol=0, atol=0
        )


def test_one_model_is_fitted_to_all_data() -> None:
    cells_NB4 = SPACE.random_cells(12, 2, np.random.default_rng(0))
    predictor = GinPredictor(replace(CONTEXT, num_models=1))
    report = predictor.fit(cells_NB4, np.linspace(0.8, 0.9, 12), seed=0)
    assert report.cross_validation == {"mape": None, "spearman": None, "r2": None}
    prediction = predictor.predict(cells_NB4)
    np.testing.assert_allclose(prediction.mean, np.linspace(0.8, 0.9, 12), atol=0.02)
    np.testing.assert_array_equal(prediction.spread, 0.0)


def test_each_model_leaves_out_its_fold() -> None:
    cells_NB4 = bulk.canonicalize(SPACE.random_cells(40, 3, np.random.default_rng(0)))
    noise = np.random.default_rng(1).random(40)
    report = GinPredictor(CONTEXT).fit(cells_NB4, noise, seed=0)
    # Noise can be learnt by heart but not foretold: predictions of cells seen would correlate.
    assert report.cross_validation["spearman"] < 0.6
    assert report.loss_curve[-1] < 0.5 * report.loss_curve[0]


def test_scores_lie_close_to_what_was_seen() -> None:
    cells_NB4 = SPACE.random_cells(30, 2, np.random.default_rng(0))
    targets = np.linspace(0.90, 0.94, 30)
    targets[3] = 0.1  # a training that went astray
    predictor = GinPredictor(CONTEXT)
    predictor.fit(cells_NB4, targets, seed=0)
    predicted = predictor.predict(SPACE.random_cells(200, 4, np.random.default_rng(1))).mean
    assert predicted.min() > 0.7
    assert predicted.max() < 1.0
