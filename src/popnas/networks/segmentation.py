"""Segmentation networks: a class for every pixel. `x_BCHW`: images of any height and width.

Every head answers at the input's size, (B, classes, H, W). Heads beside the main one (`multi_output`, after
the search) are a 1x1 convolution on a built cell's output, brought up like the main one's.
"""

from __future__ import annotations

from torch import Tensor, nn

from popnas.cells import Cell
from popnas.networks.decoder import EmptyDecoder, FixedDecoder, StandInEncoder
from popnas.networks.decoder_plan import all_levels, encoder_outputs, fixed_decoder_plan
from popnas.networks.heads import PixelHead
from popnas.networks.network import CellStack, Network, make_stem
from popnas.networks.plan import Feature, StackPlan, head_dropouts, head_positions, head_weights
from popnas.networks.spec import NetworkSpec


class FixedDecoderNetwork(Network):
    """The classification stack as encoder, and the fixed decoder; the last head reads the decoder."""

    def __init__(self, cell: Cell, spec: NetworkSpec, plan: StackPlan) -> None:
        count = len(plan.cells)
        super().__init__(cell, spec, count, head_weights(count, spec))
        decoder_plan = fixed_decoder_plan(plan, spec)
        self.stem = make_stem(plan, spec)
        self.cells = CellStack(cell, spec, plan)
        self.stand_in = None if count else StandInEncoder(plan.start, encoder_outputs(plan, spec), spec)
        self.decoder = FixedDecoder(decoder_plan, spec)
        self.read_by_heads = head_positions(count, spec)[:-1]
        read = [plan.output(position) for position in self.read_by_heads]
        self.heads = _heads([*read, decoder_plan.last], count, spec)

    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
        """See `Network.forward`; each head's logits are (B, classes, H, W)."""
        assert lengths_B is None, "images have no lengths"
        start = x if self.stem is None else self.stem(x)
        outputs = self.cells(start) if self.stand_in is None else self.stand_in(start)
        read = [outputs[position] for position in self.read_by_heads]
        read.append(self.decoder(start, outputs))
        return tuple(head(y_BCHW, x.shape[2:]) for head, y_BCHW in zip(self.heads, read, strict=True))


class CellsDecoderNetwork(Network):
    """Cells down and up again; the last head reads the last cell."""

    def __init__(self, cell: Cell, spec: NetworkSpec, plan: StackPlan) -> None:
        count = len(plan.cells)
        super().__init__(cell, spec, count, head_weights(count, spec))
        self.stem = make_stem(plan, spec)
        self.cells = CellStack(cell, spec, plan)
        self.stand_in: StandInEncoder | None = None
        self.decoder: EmptyDecoder | None = None
        self.read_by_heads = head_positions(count, spec)
        read = [plan.output(position) for position in self.read_by_heads]
        if not count:
            levels = all_levels(spec)
            self.stand_in = StandInEncoder(plan.start, levels, spec)
            self.decoder = EmptyDecoder(levels, spec)
            read = [levels[0]]
        self.heads = _heads(read, count, spec)

    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
        """See `Network.forward`; each head's logits are (B, classes, H, W)."""
        assert lengths_B is None, "images have no lengths"
        start = x if self.stem is None else self.stem(x)
        if self.stand_in is None or self.decoder is None:
            outputs = self.cells(start)
        else:
            outputs = [self.decoder(self.stand_in(start))]
        return tuple(
            head(outputs[position], x.shape[2:])
            for head, position in zip(self.heads, self.read_by_heads, strict=True)
        )


def _heads(read: list[Feature], num_built: int, spec: NetworkSpec) -> nn.ModuleList:
    dropouts = head_dropouts(num_built, spec)
    return nn.ModuleList(
        PixelHead(spec.num_dims, feature.channels, spec.num_classes, dropout, feature.level)
        for feature, dropout in zip(read, dropouts, strict=True)
    )
