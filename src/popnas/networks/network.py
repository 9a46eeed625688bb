"""Networks as modules. `x_BCHW`: images; `x_BCL`: series; `lengths_B`: timesteps of each sample before its
padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from popnas.cells import Cell
from popnas.layers import ConvBNAct, Ends, chain, drop_paths
from popnas.networks.answering import Answering
from popnas.networks.cell import CellModule
from popnas.networks.heads import ClassificationHead
from popnas.networks.plan import (
    STEM_KERNEL,
    StackPlan,
    head_dropouts,
    head_positions,
    head_weights,
    plan_sources,
)
from popnas.networks.spec import Contract, NetworkSpec
from popnas.printable import counted


class Network(Answering):
    """A network of cells: preprocessed input -> one logits tensor per head, the last being the main one.

    `head_weights` are the heads' weights in the loss. `cells_stacked` is the number of built cells.
    """

    def __init__(self, cell: Cell, spec: NetworkSpec, cells_stacked: int, weights: tuple[float, ...]) -> None:
        super().__init__()
        self.cell = cell
        self.spec = spec
        self.cells_stacked = cells_stacked
        self.head_weights = weights
        self._scheduled: list[Any] | None = None

    def __str__(self) -> str:
        return str(self.cell)

    @cached_property
    def contract(self) -> Contract:
        """See `Answering`. Whether it answers per pixel is seen from an answer: a macro-architecture of
        somebody else's need not say."""
        spec = self.spec
        is_per_pixel = spec.num_dims == 2 and self._num_answer_axes() == 4
        return Contract(spec.input_shape, spec.num_classes, spec.has_lengths, is_per_pixel)

    @torch.no_grad()
    def _num_answer_axes(self) -> int:
        was_training, device = self.training, next(self.parameters()).device
        sample = torch.zeros(1, self.spec.input_channels, *self.spec.input_size, device=device)
        try:
            return self.eval()(sample)[-1].dim()
        finally:
            self.train(was_training)

    def set_progress(self, fraction: float) -> None:
        """How much of the training is over, 0 to 1: the schedule of drop path."""
        if self.spec.drop_path == 0.0:
            return
        if self._scheduled is None:
            self._scheduled = drop_paths(self.modules())
        for module in self._scheduled:
            module.set_progress(fraction)


def make_stem(plan: StackPlan, spec: NetworkSpec) -> nn.Module | None:
    """The convolutions of `plan.stem`: the input -> the stack's start, (B, filters, *size); None for none."""
    convolutions = [
        ConvBNAct(
            spec.num_dims,
            before.channels,
            after.channels,
            STEM_KERNEL[spec.num_dims],
            stride=2 ** (after.level - before.level),
            activation=spec.activation,
        )
        for before, after in pairwise(plan.stem)
    ]
    return chain(*convolutions) if convolutions else None


class CellStack(nn.ModuleList):
    """The built cells, each reading the stack's start or the outputs of earlier ones."""

    def __init__(self, cell: Cell, spec: NetworkSpec, plan: StackPlan) -> None:
        count = len(plan.cells)
        super().__init__(
            CellModule(cell, cell_plan, spec, spec.drop_path * (cell_plan.index + 1) / count)
            for cell_plan in plan.cells
        )
        self.sources = [plan_sources(cell_plan, cell.lookbacks) for cell_plan in plan.cells]

    def forward(self, x_BCHW: Tensor, ends: Ends | None = None) -> list[Tensor]:
        """The outputs of all built cells from the start; `ends` are those of the network's input."""
        outputs: list[Tensor] = []
        for module, sources in zip(self, self.sources, strict=True):
            read = (outputs[source] if source >= 0 else x_BCHW for source in sources)
            outputs.append(module(*read) if ends is None else module(*read, ends=ends))
        return outputs


class ClassificationNetwork(Network):
    """The stem, if there is one, the classification stack and its heads."""

    def __init__(self, cell: Cell, spec: NetworkSpec, plan: StackPlan) -> None:
        count = len(plan.cells)
        super().__init__(cell, spec, count, head_weights(count, spec))
        self.stem = make_stem(plan, spec)
        self.cells = CellStack(cell, spec, plan)
        self.read_by_heads = head_positions(count, spec)
        self.heads = nn.ModuleList(
            ClassificationHead(
                plan.output(position).channels, spec.num_classes, dropout, plan.output(position).level
            )
            for position, dropout in zip(self.read_by_heads, head_dropouts(count, spec), strict=True)
        )

    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
        """See `Network.forward`; each head's logits are (B, classes)."""
        assert (lengths_B is not None) == self.spec.has_lengths, (
            "lengths belong to networks with spec.has_lengths"
        )
        x_BCHW = x.unsqueeze(2) if self.spec.num_dims == 1 else x
        ends = None if lengths_B is None else Ends(lengths_B)
        x_BCHW = x_BCHW if ends is None else ends.cut(x_BCHW)
        if self.stem is not None:
            x_BCHW = self.stem(x_BCHW, ends)
        outputs = self.cells(x_BCHW, ends)
        read = [outputs[position] if position >= 0 else x_BCHW for position in self.read_by_heads]
        return tuple(head(y_BCHW, ends) for head, y_BCHW in zip(self.heads, read, strict=True))


class Ensemble(Answering):
    """At least one network, all for the same inputs and classes; its one head answers with the logarithm of
    the mean of the members' probabilities (their main heads')."""

    head_weights = (1.0,)

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._first = [members[0]]  # in a list, or its weights would be registered twice

    def __str__(self) -> str:
        return f"of {counted(len(self.members), 'network')}"

    @property
    def spec(self) -> NetworkSpec:
        """That of the first member."""
        return self._first[0].spec

    @property
    def no_int8(self) -> str | None:
        """See `Answering`: what stands against any member."""
        return next((why for member in self.members if (why := cast(Network, member).no_int8)), None)

    @cached_property
    def contract(self) -> Contract:
        """See `Answering`: that of every member."""
        return self._first[0].contract

    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
        """See `Answering.forward`."""
        logits = [torch.log_softmax(member(x, lengths_B)[-1], dim=1) for member in self.members]
        # Of logarithms: a probability of 0 in every member would have none.
        return (torch.logsumexp(torch.stack(logits), dim=0) - math.log(len(logits)),)
