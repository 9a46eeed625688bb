"""PyTorch building blocks that operators and networks share; all of them work for images and for series.

Here live modules that know nothing of cells, operators' names or configurations. Nothing above (`operators`,
`networks`, ...) may be imported, and importing this package imports torch. A new block goes into the file of
its kind and is listed here.
"""

from popnas.layers._base import Chain, Layer, chain, per_axis, through
from popnas.layers.activations import ACTIVATIONS, activation
from popnas.layers.attention import ChannelNorm, ConvAttention, TransformerBlock
from popnas.layers.concatenation import concatenate
from popnas.layers.convolution import (
    BatchNorm,
    BiasedConvolution,
    ConvBNAct,
    Convolution,
    SeparableConvBNAct,
    TransposeConvBNAct,
    same_padding,
)
from popnas.layers.drop_path import BlockJoin, ConcatJoin, drop_paths
from popnas.layers.ends import Ends, shrink_lengths
from popnas.layers.initialization import dense
from popnas.layers.pooling import AvgPool, ImagePooling, MaxPool, global_average
from popnas.layers.portion import Dropout, Portion, set_portion
from popnas.layers.recurrent import Recurrent
from popnas.layers.resampling import PatchAverage, TransposeUpsample, Upsample, Zoomed, crop, strided_size
from popnas.layers.squeeze_excite import SqueezeExcite

__all__ = [
    "ACTIVATIONS",
    "AvgPool",
    "BatchNorm",
    "BiasedConvolution",
    "BlockJoin",
    "Chain",
    "ChannelNorm",
    "ConcatJoin",
    "ConvAttention",
    "ConvBNAct",
    "Convolution",
    "Dropout",
    "Ends",
    "ImagePooling",
    "Layer",
    "MaxPool",
    "PatchAverage",
    "Portion",
    "Recurrent",
    "SeparableConvBNAct",
    "SqueezeExcite",
    "TransformerBlock",
    "TransposeConvBNAct",
    "TransposeUpsample",
    "Upsample",
    "Zoomed",
    "activation",
    "chain",
    "concatenate",
    "crop",
    "dense",
    "drop_paths",
    "global_average",
    "per_axis",
    "same_padding",
    "set_portion",
    "shrink_lengths",
    "strided_size",
    "through",
]
