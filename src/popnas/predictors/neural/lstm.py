"""The score predictor: an ensemble of networks with an LSTM over the cell's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.predictors._base import REGISTRY
from popnas.predictors.neural._predictor import NeuralPredictor

if TYPE_CHECKING:
    from popnas.predictors.neural._sequence_networks import LstmNetworks


@REGISTRY.register("lstm", description="ensemble of LSTMs over the cell's blocks (score)")
class LstmPredictor(NeuralPredictor):
    """Liu et al. (2018, PNAS): blocks are read one after the other, in the order of the canonical form."""

    def _made(self, seed: int) -> LstmNetworks:
        from popnas.predictors.neural._sequence_networks import LstmNetworks

        return LstmNetworks(self.space, self.num_models, seed)
