"""The score predictor: an ensemble of networks with convolutions along the cell's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.predictors._base import REGISTRY
from popnas.predictors.neural._predictor import NeuralPredictor

if TYPE_CHECKING:
    from popnas.predictors.neural._sequence_networks import Conv1dNetworks


@REGISTRY.register("conv1d", description="ensemble of 1D convolutions over the cell's blocks (score)")
class Conv1dPredictor(NeuralPredictor):
    """Two convolutions along the sequence of blocks, then the mean over blocks."""

    def _made(self, seed: int) -> Conv1dNetworks:
        from popnas.predictors.neural._sequence_networks import Conv1dNetworks

        return Conv1dNetworks(self.space, self.num_models, seed)
