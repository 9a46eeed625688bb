"""The score predictor: an ensemble of networks with self-attention among the cell's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.predictors._base import REGISTRY
from popnas.predictors.neural._predictor import NeuralPredictor

if TYPE_CHECKING:
    from popnas.predictors.neural._sequence_networks import AttentionNetworks


@REGISTRY.register(
    "attention", description="ensemble of self-attention networks over the cell's blocks (score)"
)
class AttentionPredictor(NeuralPredictor):
    """Vaswani et al. (2017): one layer of attention and two of a perceptron, then the mean over blocks."""

    def _made(self, seed: int) -> AttentionNetworks:
        from popnas.predictors.neural._sequence_networks import AttentionNetworks

        return AttentionNetworks(self.space, self.num_models, seed)
