"""How weights start: He uniform for convolutions (He et al. 2015), Glorot uniform for dense layers (Glorot &
Bengio 2010).

He uniform in TensorFlow's form, limit sqrt(6 / fan-in), whatever the activation.
"""

from __future__ import annotations

import math

from torch import Tensor, nn


def he_uniform_(weight: Tensor, fan_in: float) -> None:
    """Fill with U(-limit, limit), limit = sqrt(6 / fan_in)."""
    limit = math.sqrt(6.0 / fan_in)
    nn.init.uniform_(weight, -limit, limit)


def dense(in_features: int, out_features: int, *, bias: bool = True) -> nn.Linear:
    """A dense layer with Glorot uniform weights and zero bias."""
    layer = nn.Linear(in_features, out_features, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def init_convolution_(layer: nn.Conv2d) -> None:
    """He uniform (a depthwise kernel's fan-in is its k x k), zero bias."""
    he_uniform_(layer.weight, layer.weight[0].numel())
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def init_transpose_convolution_(layer: nn.ConvTranspose2d) -> None:
    """He uniform with fan-in in x k x k / stride²: so many products meet in one output position.

    Zero bias.
    """
    fan_in = layer.weight[:, 0].numel() / math.prod(layer.stride)
    he_uniform_(layer.weight, fan_in)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def init_recurrent_(layer: nn.LSTM | nn.GRU) -> None:
    """Glorot input, orthogonal recurrent, zero biases, but 1 for the LSTM's forget gate (Jozefowicz et al.
    2015).

    Both matrices are taken whole, all gates together, as Keras does. A GRU has no forget gate: its biases
    start at zero.
    """
    weights = dict(layer.named_parameters())
    nn.init.xavier_uniform_(weights["weight_ih_l0"])
    nn.init.orthogonal_(weights["weight_hh_l0"])
    nn.init.zeros_(weights["bias_ih_l0"])
    nn.init.zeros_(weights["bias_hh_l0"])
    if isinstance(layer, nn.LSTM):  # gates in the order input, forget, cell, output
        units = layer.hidden_size
        nn.init.ones_(weights["bias_ih_l0"].data[units : 2 * units])
