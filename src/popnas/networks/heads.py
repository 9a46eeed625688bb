"""Heads: for a class per sample global average, dropout, dense layer; for one per pixel a 1x1 convolution.

`x_BCHW`: batch, channels, height, width (a series has height 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from popnas.layers import BiasedConvolution, Dropout, Ends, Upsample, dense, global_average


class ClassificationHead(nn.Module):
    """(B, C, H, W) -> logits (B, classes).

    `level` is the number of halvings before the head: a sample of n timesteps has ceil(n / 2^level) left,
    and with lengths only those enter its average.
    """

    def __init__(self, channels: int, num_classes: int, dropout: float, level: int) -> None:
        super().__init__()
        self.dropout = Dropout(dropout) if dropout > 0 else None
        self.dense = dense(channels, num_classes)
        self.stride = 2**level

    def forward(self, x_BCHW: Tensor, ends: Ends | None = None) -> Tensor:
        """`ends` are those of the network's input."""
        x_BC = global_average(x_BCHW, None if ends is None else ends.shrunk(self.stride))
        if self.dropout is not None:
            x_BC = self.dropout(x_BC)
        return self.dense(x_BC)


class PixelHead(nn.Module):
    """(B, C, *ceil((H, W) / 2^level)) -> logits (B, classes, H, W): dropout, 1x1 convolution, bilinear
    upsampling by 2^level, cropped.

    The convolution comes before the upsampling: both orders give the same figures, as the weights of an
    interpolation sum to one, and this one computes up to 16 times less of the decoder's whole depth.
    """

    def __init__(self, num_dims: int, channels: int, num_classes: int, dropout: float, level: int) -> None:
        super().__init__()
        self.dropout = Dropout(dropout) if dropout > 0 else None
        self.classify = BiasedConvolution(num_dims, channels, num_classes, 1)
        self.up = Upsample(num_dims, 2**level) if level else None

    def forward(self, x_BCHW: Tensor, size: Sequence[int]) -> Tensor:
        """`size` is the height and width of the network's input."""
        if self.dropout is not None:
            x_BCHW = self.dropout(x_BCHW)
        logits_BKHW = self.classify(x_BCHW)
        return logits_BKHW if self.up is None else self.up(logits_BKHW, size)
