"""Heads: global average, dropout, dense layer. `x_BCHW`: batch, channels, height, width (a series has
height 1).
"""

from __future__ import annotations

from torch import Tensor, nn

from popnas.layers import dense, global_average, shrink_lengths


class ClassificationHead(nn.Module):
    """(B, C, H, W) -> logits (B, classes).

    `level` is the number of halvings before the head: a sample of n timesteps has ceil(n / 2^level) left,
    and with lengths only those enter its average.
    """

    def __init__(self, channels: int, num_classes: int, dropout: float, level: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout) if dropout > 0 else None
        self.dense = dense(channels, num_classes)
        self.stride = 2**level

    def forward(self, x_BCHW: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """`lengths_B` counts timesteps of the network's input."""
        left_B = None if lengths_B is None else shrink_lengths(lengths_B, self.stride)
        x_BC = global_average(x_BCHW, left_B)
        if self.dropout is not None:
            x_BC = self.dropout(x_BC)
        return self.dense(x_BC)
