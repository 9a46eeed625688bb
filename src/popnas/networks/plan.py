"""Which cells of a stack are built, and the depth, size and stride at every place: integers only, no torch.

The same plan feeds the modules (`cell.py`), the bulk costs and the partitions, so that none of them can
disagree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from popnas.networks.spec import NetworkSpec
from popnas.operators import Site

SE_RATIO = 8
"""Ratio of the squeeze and excitation on a cell's output (`se_cell_output`)."""

STEM_KERNEL = {1: 7, 2: 3}
"""Side of the stem's kernels, by spatial dimensions."""

_STEM_LEVELS: dict[str | None, tuple[int, ...]] = {None: (), "conv": (0,), "half": (1,), "quarter": (1, 2)}
"""Halvings of the input behind each convolution of a stem."""


@dataclass(frozen=True)
class Feature:
    """The shape of a tensor inside a stack: channels, halvings since the input (`level`), spatial size."""

    channels: int
    level: int
    size: tuple[int, ...]

    @property
    def num_values(self) -> int:
        """Values of one sample."""
        return self.channels * prod(self.size)


@dataclass(frozen=True)
class Skip:
    """An earlier tensor that a decoder reads beside its own.

    `source` is the built cell that made it (-1: the stack's start), `feature` its shape, `stride` what
    brings it to the decoder's size: more than 1 only where no cell of that level is built.
    """

    source: int
    feature: Feature
    stride: int


@dataclass(frozen=True)
class LookbackPlan:
    """One lookback of a built cell.

    `source` is the built cell that is read, -1 for the stack's start; `feature` its shape, `seen` the
    shape that blocks and residual see. They differ where `reshape_stride` > 1 (lookback_reshape) or
    `upsample` > 1 (input shorter than the output). `stride` is what is left to the operators: 2^(reductions
    between what they see and the cell's output). With a `merge` what comes out of the upsampling is
    concatenated with that skip and compressed.
    """

    source: int
    feature: Feature
    seen: Feature
    stride: int
    reshape_stride: int = 1
    upsample: int = 1
    merge: Skip | None = None


@dataclass(frozen=True)
class CellPlan:
    """A built cell: its position in the whole stack, its rank among the built ones, its output and its
    lookbacks -1, -2, ...
    """

    position: int
    index: int
    is_reduction: bool
    output: Feature
    lookbacks: tuple[LookbackPlan, ...]

    def lookback(self, number: int) -> LookbackPlan:
        """The plan of lookback `number` (-1, -2, ...)."""
        return self.lookbacks[-number - 1]


@dataclass(frozen=True)
class StackPlan:
    """The built cells of a stack, from its start to the last one; none for the empty cell.

    `stem`: the network's input, and what each convolution of the stem makes of it.
    """

    stem: tuple[Feature, ...]
    cells: tuple[CellPlan, ...]

    @property
    def start(self) -> Feature:
        """What the first cells read: the stem's output, without a stem the network's input."""
        return self.stem[-1]

    def output(self, index: int) -> Feature:
        """Output of built cell `index`; -1 is the start."""
        return self.cells[index].output if index >= 0 else self.start

    @property
    def last(self) -> Feature:
        """What the head reads."""
        return self.output(len(self.cells) - 1)


def stem_features(spec: NetworkSpec) -> tuple[Feature, ...]:
    """See `StackPlan.stem`."""
    levels = _STEM_LEVELS[spec.stem]
    made = (Feature(spec.filters, level, halved(spec.input_size, level)) for level in levels)
    return (Feature(spec.input_channels, 0, spec.input_size), *made)


def halved(size: Sequence[int], times: int) -> tuple[int, ...]:
    """A size after `times` strides of 2, each ceil(n / 2)."""
    return tuple(-(-extent // 2**times) for extent in size)


@dataclass(frozen=True)
class StackPlace:
    """A position of the whole stack, whether its cell is built or not; `reductions` before it and in it."""

    reductions: int
    is_reduction: bool = False
    is_decoder: bool = False


def encoder_places(spec: NetworkSpec) -> list[StackPlace]:
    """M motifs of N normal cells with a reduction cell, which already has the next depth, between them."""
    motif = spec.normal_cells_per_motif + 1
    positions = range(1, spec.motifs * motif)
    return [StackPlace(position // motif, position % motif == 0) for position in positions]


def decoder_places(spec: NetworkSpec) -> list[StackPlace]:
    """Segmentation with cells in the decoder: per level of the way back, a cell that merges and N normal
    cells.
    """
    cells = range(spec.normal_cells_per_motif + 1)
    levels = range(spec.motifs - 2, -1, -1)
    return [StackPlace(reductions, is_decoder=True) for reductions in levels for _ in cells]


def built_positions(nearest: int, num_positions: int) -> tuple[int, ...]:
    """Positions that the last one reaches by steps of the nearest used lookback (`nearest`: -1, -2, ...;
    0: empty cell).
    """
    if nearest == 0:
        return ()
    return tuple(range(num_positions - 1, -1, nearest))[::-1]


def see(feature: Feature, output: Feature, reshape: bool) -> tuple[Feature, int, int, int]:
    """What blocks see of a lookback: (seen, stride left to the operators, stride of the reshape, factor of
    the upsampling).

    Strides come from the number of halvings, never from a quotient of sizes (a size of 1 stays 1 when
    halved).
    """
    reductions = output.level - feature.level
    if reductions < 0:
        return output, 1, 1, 2**-reductions
    if reductions > 0 and reshape:
        return output, 1, 2**reductions, 1
    return feature, 2**reductions, 1, 1


def skip_at(level: int, outputs: Iterable[tuple[int, Feature]], start: Feature) -> Skip:
    """What a decoder reads at a level: of the (source, feature) of the encoder, given in their order, the
    last one of that level, else the nearest before it, at the outset the stack's start.
    """
    found = [(-1, start), *((source, feature) for source, feature in outputs if feature.level <= level)]
    source, feature = found[-1]
    return Skip(source, feature, 2 ** (level - feature.level))


def place_feature(reductions: int, spec: NetworkSpec) -> Feature:
    """The output of a cell after so many reductions: depth doubled, size halved at each."""
    level = stem_features(spec)[-1].level + reductions
    return Feature(spec.filters * 2**reductions, level, halved(spec.input_size, level))


@lru_cache(maxsize=256)
def stack_plan(nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
    """The classification stack for cells whose nearest used lookback is `nearest` (0: the empty cell)."""
    return cells_plan(encoder_places(spec), nearest, lookback_depth, spec)


@lru_cache(maxsize=256)
def encoder_decoder_plan(nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
    """The same with cells in a decoder behind it.

    The decoder's cell whose nearest used lookback comes from a lower level has it merged with the encoder's
    output of its own level: for cells that read -1 the first of each level.
    """
    return cells_plan([*encoder_places(spec), *decoder_places(spec)], nearest, lookback_depth, spec)


def cells_plan(
    places: Sequence[StackPlace], nearest: int, lookback_depth: int, spec: NetworkSpec
) -> StackPlan:
    """The built ones of the places.

    A lookback before the first cell is the start; one on a cell that is not built takes the nearest built
    one before it.
    """
    stem = stem_features(spec)
    start = stem[-1]
    positions = built_positions(nearest, len(places))
    cells: list[CellPlan] = []
    for index, position in enumerate(positions):
        place = places[position]
        output = place_feature(place.reductions, spec)
        is_reshaping = spec.lookback_reshape and not place.is_reduction
        lookbacks = []
        for number in range(1, lookback_depth + 1):
            source = bisect_right(positions, position - number, hi=index) - 1
            feature = cells[source].output if source >= 0 else start
            seen, stride, reshape_stride, upsample = see(feature, output, is_reshaping)
            merge = None
            if place.is_decoder and number == -nearest and upsample > 1:
                encoder = [
                    (cell.index, cell.output) for cell in cells if not places[cell.position].is_decoder
                ]
                merge = skip_at(output.level, encoder, start)
            lookbacks.append(LookbackPlan(source, feature, seen, stride, reshape_stride, upsample, merge))
        cells.append(CellPlan(position, index, place.is_reduction, output, tuple(lookbacks)))
    return StackPlan(stem, tuple(cells))


def branch_site(cell: CellPlan, read: int, spec: NetworkSpec) -> Site:
    """Where an operator of a built cell sits that reads a lookback (`read` < 0) or a block."""
    if read < 0:
        lookback = cell.lookback(read)
        seen, stride = lookback.seen, lookback.stride
    else:
        seen, stride = cell.output, 1
    return Site(spec.num_dims, seen.channels, cell.output.channels, stride, seen.size, spec.activation)


def plan_sources(cell: CellPlan, lookbacks: tuple[int, ...]) -> list[int]:
    """What a built cell reads, as `StackPlan.output` counts: its lookbacks and a skip that is merged."""
    plans = [cell.lookback(number) for number in lookbacks]
    return [plan.source for plan in plans] + [plan.merge.source for plan in plans if plan.merge is not None]


def head_positions(num_built: int, spec: NetworkSpec) -> tuple[int, ...]:
    """Built cells that bear a head, in order; the last is the main one (-1: the head of the empty cell on
    the start).
    """
    last = num_built - 1
    if num_built <= 1:
        return (last,)
    if spec.is_post_search:
        middle = round(0.66 * last)
        return (middle - 1 if middle == last else middle, last)
    return tuple(range(num_built)) if spec.multi_output else (last,)


def head_weights(num_built: int, spec: NetworkSpec) -> tuple[float, ...]:
    """Loss weight of each head of `head_positions`."""
    heads = head_positions(num_built, spec)
    if spec.is_post_search and len(heads) == 2:
        return (0.25, 0.75)
    if spec.multi_output and not spec.is_post_search and num_built > 0:
        return tuple(0.5 ** (num_built - head) for head in heads)
    return (1.0,) * len(heads)


def head_dropouts(num_built: int, spec: NetworkSpec) -> tuple[float, ...]:
    """Dropout of each head: grows linearly with the position, up to `softmax_dropout` at the last."""
    return tuple(
        spec.softmax_dropout * (head + 1) / max(num_built, 1) for head in head_positions(num_built, spec)
    )
