"""The score predictor: an ensemble of graph convolutional networks over the cell's graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.predictors._base import REGISTRY
from popnas.predictors.neural._predictor import NeuralPredictor

if TYPE_CHECKING:
    from popnas.predictors.neural._gin_network import GcnNetworks


@REGISTRY.register("gcn", description="ensemble of graph convolutional networks (score)")
class GcnPredictor(NeuralPredictor):
    """Kipf and Welling, 2017: as `gin`, but a node takes the normalised mean of all its neighbours."""

    def _made(self, seed: int) -> GcnNetworks:
        from popnas.predictors.neural._gin_network import GcnNetworks, NodeTypes

        types = NodeTypes(self.space.lookback_depth, len(self.space.operators))
        return GcnNetworks(types, self.num_models, seed)
