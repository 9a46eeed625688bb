"""What segmentation networks have beside their cells: shapes and costs, integers only, no torch.

The modules of `decoder.py` are made from these values, so that shapes and modules cannot disagree. The cost
formulas are to be changed together with those modules; checked by `tests/unit/networks/test_segmentation.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from popnas.networks.plan import Feature, Skip, StackPlan, head_positions, place_feature, skip_at
from popnas.networks.spec import NetworkSpec
from popnas.operators import Cost, conv_bn_cost, dense_cost, pointwise_cost

ASPP_RATES = (3, 6, 12)
"""Dilations of the 3x3 convolutions of the atrous spatial pyramid pooling."""

UNIT_LEVELS = 2
"""Levels that one unit of the fixed decoder brings up at once: a factor of 4."""


@dataclass(frozen=True)
class UnitPlan:
    """A unit of the fixed decoder: the encoder's output that it reads, that one's compressed depth, and the
    unit's output.
    """

    skip: Skip
    skip_channels: int
    output: Feature


@dataclass(frozen=True)
class FixedDecoderPlan:
    """From the encoder's end up. `half` is the depth of each branch of the pyramid; the decoder keeps the
    bottleneck's depth all the way.
    """

    bottleneck: Feature
    units: tuple[UnitPlan, ...]

    @property
    def half(self) -> int:
        """Half the bottleneck's depth."""
        return max(self.bottleneck.channels // 2, 1)

    @property
    def last(self) -> Feature:
        """What the classifier reads, two halvings or one below the first cell."""
        return self.units[-1].output if self.units else self.bottleneck


def fixed_decoder_plan(stack: StackPlan, spec: NetworkSpec) -> FixedDecoderPlan:
    """The fixed decoder behind a stack, or behind the stand-in for the encoder of the empty cell."""
    outputs = list(enumerate(encoder_outputs(stack, spec)))
    bottleneck = outputs[-1][1]
    units = []
    for reductions in _unit_reductions(spec):
        place = place_feature(reductions, spec)
        output = Feature(bottleneck.channels, place.level, place.size)
        units.append(UnitPlan(skip_at(place.level, outputs, stack.start), place.channels // 2, output))
    return FixedDecoderPlan(bottleneck, tuple(units))


def encoder_outputs(stack: StackPlan, spec: NetworkSpec) -> tuple[Feature, ...]:
    """The outputs of the built cells, or of the empty cell's stand-in: one per level that the fixed decoder
    reads.
    """
    if stack.cells:
        return tuple(cell.output for cell in stack.cells)
    read = [*_unit_reductions(spec)[::-1], spec.motifs - 1]
    return tuple(place_feature(reductions, spec) for reductions in read)


def all_levels(spec: NetworkSpec) -> tuple[Feature, ...]:
    """The empty cell's stand-in where the decoder reads every level, from the highest resolution down."""
    return tuple(place_feature(reductions, spec) for reductions in range(spec.motifs))


def _unit_reductions(spec: NetworkSpec) -> range:
    """Reductions above each unit, in the decoder's order; none stands between the last and the start."""
    return range(spec.motifs - 1 - UNIT_LEVELS, 0, -UNIT_LEVELS)


def fixed_decoder_cost(plan: FixedDecoderPlan, spec: NetworkSpec) -> Cost:
    """Pyramid, units and classifier."""
    deep, half = plan.bottleneck, plan.half
    one, three = (1,) * spec.num_dims, (3,) * spec.num_dims
    cost = conv_bn_cost(one, deep.channels, half, deep.size) + conv_bn_cost(one, deep.channels, half, one)
    cost += conv_bn_cost(three, deep.channels, half, deep.size).times(len(ASPP_RATES))
    cost += conv_bn_cost(one, half * (2 + len(ASPP_RATES)), deep.channels, deep.size)
    for unit in plan.units:
        size, channels = unit.output.size, unit.output.channels
        cost += conv_bn_cost(one, unit.skip.feature.channels, unit.skip_channels, size)
        cost += conv_bn_cost(three, channels + unit.skip_channels, channels, size)
    return cost + pixel_head_cost(plan.last, spec)


def merge_cost(skip: Skip, output: Feature) -> Cost:
    """`decoder.Merge`: a skip, brought down where it is too large, concatenated and compressed."""
    num_dims = len(output.size)
    cost, channels = Cost(), skip.feature.channels
    if skip.stride > 1:
        cost, channels = pointwise_cost(num_dims, channels, output.channels, output.size), output.channels
    return cost + pointwise_cost(num_dims, output.channels + channels, output.channels, output.size)


def empty_decoder_cost(spec: NetworkSpec) -> Cost:
    """The way up of an empty cell's network with cells in the decoder: what merges, and no cells."""
    levels = all_levels(spec)
    cost = Cost()
    for index, output in reversed(list(enumerate(levels[:-1]))):
        low = levels[index + 1]
        cost += conv_bn_cost((2,) * spec.num_dims, low.channels, output.channels, low.size)
        cost += merge_cost(Skip(index, output, 1), output)
    return cost


def stand_in_cost(stack: StackPlan, features: tuple[Feature, ...], spec: NetworkSpec) -> Cost:
    """The pooled stand-in for the encoder of the empty cell, behind the start of its stack."""
    cost, channels = Cost(), stack.start.channels
    for feature in features:
        cost += pointwise_cost(spec.num_dims, channels, feature.channels, feature.size)
        channels = feature.channels
    return cost


def pixel_head_cost(read: Feature, spec: NetworkSpec) -> Cost:
    """A 1x1 convolution with bias to the classes at the resolution of what it reads."""
    return dense_cost(read.channels, spec.num_classes, positions=prod(read.size))


def side_heads_cost(stack: StackPlan, spec: NetworkSpec) -> Cost:
    """Heads on built cells beside the main one."""
    heads = head_positions(len(stack.cells), spec)[:-1]
    return sum((pixel_head_cost(stack.output(head), spec) for head in heads), Cost())
