"""A cell as a module. `x_BCHW`: batch, channels, height, width (a series is a map of height 1)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from popnas import operators
from popnas.cells import Block, Cell
from popnas.layers import (
    BlockJoin,
    ConcatJoin,
    ConvBNAct,
    Ends,
    MaxPool,
    SqueezeExcite,
    TransposeUpsample,
    chain,
    strided_size,
    through,
)
from popnas.networks.decoder import Merge
from popnas.networks.plan import SE_RATIO, CellPlan, LookbackPlan, branch_site
from popnas.networks.spec import NetworkSpec


class BlockModule(nn.Module):
    """Two operators and their join (with drop path: the probability's end is `drop_path`)."""

    def __init__(self, block: Block, plan: CellPlan, spec: NetworkSpec, drop_path: float) -> None:
        super().__init__()
        self.left = _operator(block.op1, block.in1, plan, spec)
        self.right = _operator(block.op2, block.in2, plan, spec)
        self.join = BlockJoin(spec.block_join_operator, drop_path)

    def forward(
        self,
        left_BCHW: Tensor,
        right_BCHW: Tensor,
        left_ends: Ends | None = None,
        right_ends: Ends | None = None,
        after: Ends | None = None,
    ) -> Tensor:
        """The two inputs -> the block's output; of series of unequal lengths, where each of them ends."""
        left_BCHW = through(self.left, left_BCHW, left_ends, after)
        return self.join(left_BCHW, through(self.right, right_BCHW, right_ends, after))


class CellModule(nn.Module):
    """One built cell: the outputs that its lookbacks read -> its own output, (B, F, *size)."""

    def __init__(self, cell: Cell, plan: CellPlan, spec: NetworkSpec, drop_path: float) -> None:
        super().__init__()
        channels = plan.output.channels
        self.level = plan.output.level
        self.lookbacks = cell.lookbacks
        self.plans = [plan.lookback(number) for number in cell.lookbacks]
        self.reshapes = nn.ModuleDict()
        for number, lookback in zip(self.lookbacks, self.plans, strict=True):
            reshape = _reshape(lookback, channels, spec)
            if reshape is not None:
                self.reshapes[_name(number)] = reshape
        nearest = self.plans[0]
        self.merge: Merge | None = None
        if nearest.merge is not None:
            self.merge = Merge(nearest.feature, nearest.upsample, nearest.merge, plan.output, spec)
        self.blocks = nn.ModuleList(BlockModule(block, plan, spec, drop_path) for block in cell.blocks)
        self.inputs = [(block.in1, block.in2) for block in cell.blocks]
        self.joined = cell.unused_blocks if spec.concat_only_unused_blocks else tuple(range(len(cell)))
        self.concat: nn.Module | None = None
        self.compress: nn.Module | None = None
        self.squeeze_excite: nn.Module | None = None
        self.residual: nn.Module | None = None
        if len(self.joined) > 1:
            self.concat = ConcatJoin(drop_path)
            width = len(self.joined) * channels
            self.compress = ConvBNAct(spec.num_dims, width, channels, 1, activation=spec.activation)
        if spec.se_cell_output:
            self.squeeze_excite = SqueezeExcite(channels, SE_RATIO, bias=False, activation=spec.activation)
        if spec.residual_cells:
            self.residual = _residual(nearest, channels, spec)

    def forward(self, *read: Tensor, ends: Ends | None = None) -> Tensor:
        """`read`: what the used lookbacks read, nearest first, then the skip that is merged if there is
        one. `ends`: of the network's input, if it is series of unequal lengths.
        """
        seen = dict(zip(self.lookbacks, self._see(read, ends), strict=True))
        after = ends_at(ends, self.level)
        ends_seen = {
            number: ends_at(ends, plan.seen.level)
            for number, plan in zip(self.lookbacks, self.plans, strict=True)
        }
        outputs: list[Tensor] = []
        for block, inputs in zip(self.blocks, self.inputs, strict=True):
            left, right = (seen[number] if number < 0 else outputs[number] for number in inputs)
            outputs.append(block(left, right, *(ends_seen.get(number, after) for number in inputs), after))
        if self.concat is None or self.compress is None:
            y_BCHW = outputs[self.joined[0]]
        else:
            y_BCHW = self.compress(self.concat(*(outputs[index] for index in self.joined)), after)
        if self.squeeze_excite is not None:
            y_BCHW = self.squeeze_excite(y_BCHW, after)
        if self.residual is not None:
            nearest = self.lookbacks[0]
            y_BCHW = y_BCHW + through(self.residual, seen[nearest], ends_seen[nearest], after)
        return y_BCHW

    def _see(self, read: Sequence[Tensor], ends: Ends | None) -> list[Tensor]:
        """The lookbacks as blocks and residual see them."""
        seen: list[Tensor] = []
        lookbacks = read[: len(self.plans)]
        for number, plan, x_BCHW in zip(self.lookbacks, self.plans, lookbacks, strict=True):
            if plan.merge is not None and self.merge is not None:
                x_BCHW = self.merge(x_BCHW, read[-1])
            elif plan.upsample > 1:
                # The merged map, always the first, has the size already.
                size = seen[0].shape[2:] if self.merge is not None else self._output_size(lookbacks)
                x_BCHW = self.reshapes[_name(number)](x_BCHW, size, ends_at(ends, plan.seen.level))
            elif plan.reshape_stride > 1:
                x_BCHW = self.reshapes[_name(number)](x_BCHW, ends_at(ends, plan.feature.level))
            seen.append(x_BCHW)
        return seen

    def _output_size(self, lookbacks: Sequence[Tensor]) -> list[int]:
        """Height and width of the output: those of a lookback that is not too short, else what the
        upsampling gives.
        """
        sizes = []
        for plan, x_BCHW in zip(self.plans, lookbacks, strict=True):
            stride = plan.stride * plan.reshape_stride
            sizes.append(strided_size([n * plan.upsample for n in x_BCHW.shape[2:]], (stride, stride)))
        exact = [size for size, plan in zip(sizes, self.plans, strict=True) if plan.upsample == 1]
        return exact[0] if exact else [min(axis) for axis in zip(*sizes, strict=True)]


def ends_at(ends: Ends | None, level: int) -> Ends | None:
    """Where series end after so many halvings of the network's input, which ends at `ends`."""
    return None if ends is None else ends.shrunk(2**level)


def _name(lookback: int) -> str:
    return f"lookback{-lookback}"


def _operator(name: str, read: int, plan: CellPlan, spec: NetworkSpec) -> nn.Module:
    return operators.parse(name, spec.num_dims).build(branch_site(plan, read, spec))


def _reshape(lookback: LookbackPlan, channels: int, spec: NetworkSpec) -> nn.Module | None:
    """What brings a lookback to the size that the blocks see, if it is not there yet."""
    width = lookback.feature.channels
    if lookback.reshape_stride > 1:
        stride = lookback.reshape_stride
        return ConvBNAct(spec.num_dims, width, channels, 1, stride=stride, activation=spec.activation)
    if lookback.upsample > 1 and lookback.merge is None:
        return TransposeUpsample(spec.num_dims, width, channels, lookback.upsample, spec.activation)
    return None


def _residual(nearest: LookbackPlan, channels: int, spec: NetworkSpec) -> nn.Module:
    """The nearest used lookback brought to the output's shape: max pool if its size differs, pointwise if
    its depth does.
    """
    pool = MaxPool(spec.num_dims, nearest.stride, nearest.stride) if nearest.stride > 1 else None
    pointwise = None
    if nearest.seen.channels != channels:
        pointwise = ConvBNAct(spec.num_dims, nearest.seen.channels, channels, 1, activation=spec.activation)
    return chain(pool, pointwise)
