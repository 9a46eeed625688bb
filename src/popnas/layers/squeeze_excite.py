"""Squeeze and excitation (Hu et al. 2018): channels scaled by a gate computed from their global averages."""

from __future__ import annotations

import torch
from torch import Tensor

from popnas.layers._base import Layer
from popnas.layers.activations import activation as make_activation
from popnas.layers.ends import Ends
from popnas.layers.initialization import dense
from popnas.layers.pooling import global_average


class SqueezeExcite(Layer):
    """x scaled by sigmoid(dense(act(dense(mean(x))))), the inner width being ceil(channels / ratio).

    Keeps the shape.
    """

    def __init__(
        self, channels: int, ratio: int = 8, *, bias: bool = True, activation: str = "swish"
    ) -> None:
        super().__init__()
        hidden = -(-channels // ratio)
        self.squeeze = dense(channels, hidden, bias=bias)
        self.activation = make_activation(activation)
        self.excite = dense(hidden, channels, bias=bias)

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        return self._gated(x_BCHW, global_average(x_BCHW))

    def _before_ends(self, x_BC1L: Tensor, ends: Ends) -> Tensor:
        return self._gated(x_BC1L, global_average(x_BC1L, ends))

    def _gated(self, x_BCHW: Tensor, average_BC: Tensor) -> Tensor:
        gate_BC = torch.sigmoid(self.excite(self.activation(self.squeeze(average_BC))))
        return x_BCHW * gate_BC[:, :, None, None]
