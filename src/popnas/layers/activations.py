"""Activations under their Keras names, as Keras defines them.

Two differ from PyTorch's defaults: `leaky_relu` has slope 0.2 (Keras's function of that name; PyTorch 0.01),
`hard_sigmoid` is clip(0.2 x + 0.5, 0, 1) (Keras 2, which POPNAS ran on; PyTorch and Keras 3 divide by 6).
`gelu` is the exact form with erf. `softmax` is over the channels, the axis that Keras has last.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from popnas.errors import UnknownNameError, nearest


class HardSigmoid(nn.Module):
    """clip(0.2 x + 0.5, 0, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return (0.2 * x + 0.5).clamp(0.0, 1.0)


class Exponential(nn.Module):
    """e to the power of x."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return torch.exp(x)


_MAKERS: dict[str, Callable[[], nn.Module]] = {
    "swish": nn.SiLU,
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": HardSigmoid,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "linear": nn.Identity,
    "exponential": Exponential,
}

ACTIVATIONS: tuple[str, ...] = (*_MAKERS, "softmax")


def activation(name: str, channel_axis: int = 1) -> nn.Module:
    """The activation of that Keras name; `channel_axis` says where the channels are (softmax needs it).

    Raises:
        UnknownNameError: no activation bears the name.
    """
    if name == "softmax":
        return nn.Softmax(dim=channel_axis)
    if name not in _MAKERS:
        raise UnknownNameError(
            f"unknown activation '{name}'.{nearest(name, ACTIVATIONS)} "
            f"Choose one of: {', '.join(ACTIVATIONS)}"
        )
    return _MAKERS[name]()
