"""LSTM and GRU over time.

Biases are as PyTorch has them, two vectors per gate and both trained: an LSTM of F units on C channels has
4F(C + F) + 8F weights, a GRU 3F(C + F) + 6F.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.modules import rnn

from popnas.layers._base import Layer
from popnas.layers.initialization import init_recurrent_


class Recurrent(Layer):
    """One layer of `units` units forward in time, all steps returned: (B, C, L) -> (B, units, L).

    `kind`: lstm or gru.
    """

    def __init__(self, kind: str, in_channels: int, units: int) -> None:
        super().__init__()
        # Not of `nn`, where torch-xla puts a GRU that no CPU computes.
        make = {"lstm": rnn.LSTM, "gru": rnn.GRU}[kind]
        # batch_first costs nothing: with channels last in memory, (B, L, C) is how a series lies already.
        self.recurrence = make(in_channels, units, batch_first=True)
        init_recurrent_(self.recurrence)

    def _on_map(self, x_BC1L: Tensor) -> Tensor:
        y_BLF, _ = self.recurrence(x_BC1L.squeeze(2).transpose(1, 2))
        return y_BLF.transpose(1, 2).unsqueeze(2)
