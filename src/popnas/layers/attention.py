"""Convolutional attention for images (Wu et al. 2021, CvT): tokens are the positions of a map.

Queries, keys and values are projected by a separable convolution (depthwise 3x3, BN, dense), keys and values
with stride 2. Here every head is as wide as the map is deep. `x_BCHW`: batch, channels, height, width;
`_BSNF`: batch, heads, tokens, width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from popnas.layers._base import Layer
from popnas.layers.activations import activation as make_activation
from popnas.layers.convolution import BatchNorm, Convolution
from popnas.layers.initialization import dense


class ChannelNorm(Layer):
    """Layer normalisation over the channels of each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def _on_map(self, x_BCHW: Tensor) -> Tensor:
        return self.norm(x_BCHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Projection(nn.Module):
    """(B, C, H, W) -> (B, heads, tokens, C)."""

    def __init__(self, channels: int, num_heads: int, stride: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.depthwise = Convolution(2, channels, channels, 3, stride=stride, groups=channels)
        self.norm = BatchNorm(channels)
        self.dense = dense(channels, num_heads * channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        tokens_BNC = self.norm(self.depthwise(x_BCHW)).flatten(2).transpose(1, 2)
        return self.dense(tokens_BNC).unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class ConvAttention(nn.Module):
    """Multi-head attention over the positions of a map, output brought back to its depth; keeps the shape."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.query = _Projection(channels, num_heads, stride=1)
        self.key = _Projection(channels, num_heads, stride=2)
        self.value = _Projection(channels, num_heads, stride=2)
        self.output = dense(num_heads * channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        y_BSNF = functional.scaled_dot_product_attention(
            self.query(x_BCHW), self.key(x_BCHW), self.value(x_BCHW)
        )
        y_BNC = self.output(y_BSNF.transpose(1, 2).flatten(2))
        return y_BNC.transpose(1, 2).unflatten(2, x_BCHW.shape[2:])


class TransformerBlock(nn.Module):
    """Attention and a two-layer MLP of twice the width, each normalised before and with a residual."""

    def __init__(self, channels: int, num_heads: int, activation: str = "swish") -> None:
        super().__init__()
        self.attention_norm = ChannelNorm(channels)
        self.attention = ConvAttention(channels, num_heads)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            dense(channels, 2 * channels),
            make_activation(activation, channel_axis=-1),
            dense(2 * channels, channels),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        x_BCHW = x_BCHW + self.attention(self.attention_norm(x_BCHW))
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        return (x_BHWC + self.mlp(self.mlp_norm(x_BHWC))).permute(0, 3, 1, 2)
