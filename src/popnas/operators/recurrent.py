"""`lstm`, `gru`: recurrence over all time steps of series, BN, then a max pool where there is a stride.

Long short-term memory of Hochreiter & Schmidhuber 1997; gated recurrent unit of Cho et al. 2014, with the
reset after the product, as in cuDNN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from popnas.operators._base import REGISTRY, Operator, Site
from popnas.operators._cost import Cost, norm_cost

if TYPE_CHECKING:
    from torch import nn


class RecurrentOperator(Operator):
    """One word; `num_gates` matrices of units x (channels + units), two biases each, as PyTorch."""

    num_gates: ClassVar[int]
    num_dims_allowed = frozenset({1})

    def __init__(self, name: str) -> None:
        super().__init__(name, 1)

    def build(self, site: Site) -> nn.Module:
        """Recurrence, BN, max pool if strided."""
        from popnas import layers

        return layers.Chain(
            layers.Recurrent(self.family, site.in_channels, site.out_channels),
            layers.BatchNorm(site.out_channels),
            *([layers.MaxPool(1, site.stride, site.stride)] if site.stride > 1 else []),
        )

    def cost(self, site: Site) -> Cost:
        """g·F·(C + F + 2) weights and BN 2F; 2·g·F·(C + F) FLOPs per time step of the input."""
        units = site.out_channels
        products = self.num_gates * units * (site.in_channels + units)
        return Cost(products + 2 * self.num_gates * units, 2 * products * site.size[0]) + norm_cost(units)


@REGISTRY.register("gru", description="GRU over time, all steps returned, BN")
class GRU(RecurrentOperator):
    """Gated recurrent unit."""

    family = "gru"
    grammar = "gru (series)"
    pattern = "gru"
    examples = ("gru",)
    num_gates = 3


@REGISTRY.register("lstm", description="LSTM over time, all steps returned, BN")
class LSTM(RecurrentOperator):
    """Long short-term memory."""

    family = "lstm"
    grammar = "lstm (series)"
    pattern = "lstm"
    examples = ("lstm",)
    num_gates = 4
