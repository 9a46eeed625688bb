"""`gru`: gated recurrent unit over time, for series.

Of Cho et al. 2014, with the reset after the product, as in cuDNN.
"""

from __future__ import annotations

from popnas.operators._base import REGISTRY
from popnas.operators._recurrent import RecurrentOperator


@REGISTRY.register("gru", description="GRU over time, all steps returned, BN")
class GRU(RecurrentOperator):
    """Gated recurrent unit."""

    family = "gru"
    grammar = "gru (series)"
    pattern = "gru"
    examples = ("gru",)
    num_gates = 3
