"""The score predictor: an ensemble of graph isomorphism networks over the cell's graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnas.predictors._base import REGISTRY
from popnas.predictors.neural._predictor import NeuralPredictor

if TYPE_CHECKING:
    from popnas.predictors.neural._gin_network import GinNetworks


@REGISTRY.register("gin", description="ensemble of graph networks over the cell's graph (score)")
class GinPredictor(NeuralPredictor):
    """Widths 30, 60, 120, global mean, dense 100, sigmoid."""

    _networks: GinNetworks | None

    def _made(self, seed: int) -> GinNetworks:
        from popnas.predictors.neural._gin_network import GinNetworks, NodeTypes

        types = NodeTypes(self.space.lookback_depth, len(self.space.operators))
        return GinNetworks(types, self.num_models, seed)

    def _read(self, cells_NB4: np.ndarray) -> np.ndarray:
        """As they are: sums over nodes of a graph have no order."""
        return cells_NB4

    def _outputs(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> np.ndarray:
        """With what siblings share computed once."""
        from popnas.predictors.neural._gin_bulk import predict_outputs

        assert self._networks is not None
        return predict_outputs(self._networks.weights, self._networks.types, cells_NB4, parents)
