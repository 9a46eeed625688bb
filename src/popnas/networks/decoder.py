"""Decoders of segmentation networks. `x_BCHW`: batch, channels, height, width; all work at any size.

Sources: Chen et al. 2017 (DeepLab v3: atrous spatial pyramid pooling) and 2018 (v3+: decoder), Ronneberger et
al. 2015 (U-Net).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from popnas.layers import (
    ConvBNAct,
    ImagePooling,
    PatchAverage,
    TransposeUpsample,
    Upsample,
    chain,
    concatenate,
)
from popnas.networks.decoder_plan import ASPP_RATES, UNIT_LEVELS, FixedDecoderPlan, UnitPlan
from popnas.networks.plan import Feature, Skip
from popnas.networks.spec import NetworkSpec


class PyramidPooling(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, three dilated 3x3 and image pooling side by side, each of half the
    depth, then back to the depth.
    """

    def __init__(self, plan: FixedDecoderPlan, spec: NetworkSpec) -> None:
        super().__init__()
        dims, channels, half, act = spec.num_dims, plan.bottleneck.channels, plan.half, spec.activation
        self.branches = nn.ModuleList([ConvBNAct(dims, channels, half, 1, activation=act)])
        for rate in ASPP_RATES:
            self.branches.append(ConvBNAct(dims, channels, half, 3, dilation=rate, activation=act))
        self.pooling = ImagePooling(dims, channels, half, act)
        self.project = ConvBNAct(dims, half * (len(self.branches) + 1), channels, 1, activation=act)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        branches = [branch(x_BCHW) for branch in self.branches]
        return self.project(concatenate([*branches, self.pooling(x_BCHW)]))


class DecoderUnit(nn.Module):
    """The decoder's map brought up by 4, an encoder's output compressed beside it, a 3x3 convolution."""

    def __init__(self, plan: UnitPlan, spec: NetworkSpec) -> None:
        super().__init__()
        dims, channels, act = spec.num_dims, plan.output.channels, spec.activation
        self.compress = ConvBNAct(
            dims, plan.skip.feature.channels, plan.skip_channels, 1, stride=plan.skip.stride, activation=act
        )
        self.up = Upsample(dims, 2**UNIT_LEVELS)
        self.fuse = ConvBNAct(dims, channels + plan.skip_channels, channels, 3, activation=act)

    def forward(self, x_BCHW: Tensor, skip_BCHW: Tensor) -> Tensor:
        """The decoder's map and the encoder's output -> the decoder's depth at the encoder's size."""
        skip_BCHW = self.compress(skip_BCHW)
        return self.fuse(concatenate([self.up(x_BCHW, skip_BCHW.shape[2:]), skip_BCHW]))


class FixedDecoder(nn.Module):
    """Pyramid pooling, then units: the encoder's outputs -> a map two halvings, or one, below its start."""

    def __init__(self, plan: FixedDecoderPlan, spec: NetworkSpec) -> None:
        super().__init__()
        self.pyramid = PyramidPooling(plan, spec)
        self.units = nn.ModuleList(DecoderUnit(unit, spec) for unit in plan.units)
        self.sources = [unit.skip.source for unit in plan.units]

    def forward(self, x_BCHW: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        """`outputs` of the encoder, `x_BCHW` its start (which a unit reads where no cell is)."""
        y_BCHW = self.pyramid(outputs[-1])
        for unit, source in zip(self.units, self.sources, strict=True):
            y_BCHW = unit(y_BCHW, outputs[source] if source >= 0 else x_BCHW)
        return y_BCHW


class Merge(nn.Module):
    """A map of a lower level brought up by a transpose convolution, concatenated with a skip and compressed.

    (B, low, h, w) and (B, skip, H, W) -> (B, out, *ceil((H, W) / stride of the skip)).
    """

    def __init__(self, low: Feature, ratio: int, skip: Skip, output: Feature, spec: NetworkSpec) -> None:
        super().__init__()
        dims, channels, act = spec.num_dims, output.channels, spec.activation
        self.up = TransposeUpsample(dims, low.channels, channels, ratio, act)
        self.reduce: nn.Module = nn.Identity()
        skip_channels = skip.feature.channels
        if skip.stride > 1:
            self.reduce = ConvBNAct(dims, skip_channels, channels, 1, stride=skip.stride, activation=act)
            skip_channels = channels
        self.compress = ConvBNAct(dims, channels + skip_channels, channels, 1, activation=act)

    def forward(self, x_BCHW: Tensor, skip_BCHW: Tensor) -> Tensor:
        """The lower map and the skip -> the merged map."""
        skip_BCHW = self.reduce(skip_BCHW)
        return self.compress(concatenate([self.up(x_BCHW, skip_BCHW.shape[2:]), skip_BCHW]))


class StandInEncoder(nn.ModuleList):
    """Instead of an encoder of empty cells: per level an average pool and a pointwise convolution."""

    def __init__(self, start: Feature, features: Sequence[Feature], spec: NetworkSpec) -> None:
        before = start
        steps = []
        for feature in features:
            ratio = 2 ** (feature.level - before.level)
            pool = PatchAverage(spec.num_dims, ratio) if ratio > 1 else None
            pointwise = ConvBNAct(
                spec.num_dims, before.channels, feature.channels, 1, activation=spec.activation
            )
            steps.append(chain(pool, pointwise))
            before = feature
        super().__init__(steps)

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """The outputs, from the highest resolution down."""
        outputs: list[Tensor] = []
        for step in self:
            outputs.append(step(outputs[-1] if outputs else x_BCHW))
        return outputs


class EmptyDecoder(nn.ModuleList):
    """What is left of the decoder of cells where these are empty: the merges on the way up."""

    def __init__(self, levels: Sequence[Feature], spec: NetworkSpec) -> None:
        super().__init__(
            Merge(levels[level + 1], 2, Skip(level, levels[level], 1), levels[level], spec)
            for level in range(len(levels) - 2, -1, -1)
        )

    def forward(self, outputs: Sequence[Tensor]) -> Tensor:
        """The stand-in encoder's outputs -> a map of the start's size."""
        y_BCHW = outputs[-1]
        for merge, skip_BCHW in zip(self, outputs[-2::-1], strict=True):
            y_BCHW = merge(y_BCHW, skip_BCHW)
        return y_BCHW
