"""The score predictor: an ensemble of networks with a graph encoder and an LSTM over the cell's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.predictors._base import REGISTRY
from popnas.predictors.neural._predictor import NeuralPredictor

if TYPE_CHECKING:
    from popnas.predictors.neural._gin_lstm_network import GinLstmNetworks


@REGISTRY.register("gin_lstm", description="ensemble of graph networks with an LSTM over the blocks (score)")
class GinLstmPredictor(NeuralPredictor):
    """The graph layers of `gin`, then an LSTM over what they make of each block's join."""

    def _made(self, seed: int) -> GinLstmNetworks:
        from popnas.predictors.neural._gin_lstm_network import GinLstmNetworks

        return GinLstmNetworks(self.space, self.num_models, seed)
