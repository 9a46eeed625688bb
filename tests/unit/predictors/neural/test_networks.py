from __future__ import annotations

import numpy as np
import pytest
import torch

from popnas.cells import Cell, SearchSpace
from popnas.predictors.neural._gin_network import GcnNetworks, NodeTypes
from popnas.predictors.neural._sequence_networks import LSTM_UNITS, LstmNetworks, lstm, sequences

SPACE = SearchSpace(["a", "b"], 3, 2)


def test_a_graph_convolution_weighs_neighbours_by_both_degrees() -> None:
    cells_NB4 = SPACE.encode([Cell.parse("[(-1, a, -1, b)]")], 1)
    rows = GcnNetworks(NodeTypes(2, 2), 1, seed=0).rows(cells_NB4)
    lookback, first, second, join = 0, 2, 3, 4  # nodes 1 and 5 are padding
    linked = np.eye(6)
    for one, other in ((lookback, first), (lookback, second), (first, join), (second, join)):
        linked[one, other] = linked[other, one] = 1
    linked[1, 1] = linked[5, 5] = 0
    degree = np.maximum(linked.sum(axis=1), 1)
    np.testing.assert_allclose(
        rows.aggregation[0].numpy(), linked / np.sqrt(np.outer(degree, degree)), atol=1e-6
    )


def test_exchanged_halves_are_the_same_block_to_a_sequence() -> None:
    cells_NB4 = SPACE.encode([Cell.parse("[(-1, a, -2, b);(0, b, -1, a)]")], 3)
    swapped = cells_NB4[:, :, [2, 3, 0, 1]]
    networks = LstmNetworks(SPACE, 2, seed=0)
    outputs = [networks.forward(sequences(cells, SPACE)) for cells in (cells_NB4, swapped)]
    torch.testing.assert_close(*outputs)


def test_the_recurrence_is_that_of_torch() -> None:
    networks = LstmNetworks(SPACE, 1, seed=0)
    width = networks.layers.kernels[1].shape[1] - LSTM_UNITS
    blocks_MNBX = torch.randn(1, 4, 3, width, generator=torch.Generator().manual_seed(0))
    reference = torch.nn.LSTM(width, LSTM_UNITS, batch_first=True)
    # Theirs has its gates in another order: take, forget, new, give.
    kernel = networks.layers.kernels[1][0].T.reshape(4, LSTM_UNITS, -1)[[0, 1, 3, 2]].flatten(0, 1)
    with torch.no_grad():
        reference.weight_ih_l0.copy_(kernel[:, :width])
        reference.weight_hh_l0.copy_(kernel[:, width:])
        reference.bias_hh_l0.zero_()
        reference.bias_ih_l0.zero_()
        reference.bias_ih_l0[LSTM_UNITS : 2 * LSTM_UNITS] = 1  # the bias of the gate that forgets
        expected = reference(blocks_MNBX[0])[1][0][0]
    found = lstm(networks.layers, 1, blocks_MNBX, torch.ones(4, 3))
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_the_recurrence_ends_with_the_cell(length: int) -> None:
    networks = LstmNetworks(SPACE, 2, seed=0)
    width = networks.layers.kernels[1].shape[1] - LSTM_UNITS
    blocks_MNBX = torch.randn(2, 5, 3, width, generator=torch.Generator().manual_seed(0))
    is_block = (torch.arange(3) < length).float().expand(5, 3)
    whole = lstm(networks.layers, 1, blocks_MNBX, is_block)
    alone = lstm(networks.layers, 1, blocks_MNBX[:, :, :length], torch.ones(5, length))
    torch.testing.assert_close(whole, alone)
