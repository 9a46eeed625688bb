"""`lstm`: long short-term memory (Hochreiter & Schmidhuber 1997) over time, for series."""

from __future__ import annotations

from popnas.operators._base import REGISTRY
from popnas.operators._recurrent import RecurrentOperator


@REGISTRY.register("lstm", description="LSTM over time, all steps returned, BN")
class LSTM(RecurrentOperator):
    """Long short-term memory."""

    family = "lstm"
    grammar = "lstm (series)"
    pattern = "lstm"
    examples = ("lstm",)
    num_gates = 4
