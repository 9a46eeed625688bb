"""Scheduled drop path (Larsson et al. 2017, FractalNet; Zoph et al. 2018): whole branches dropped per sample
in training.

The drop probability is `rate` x progress, `rate` being the highest probability that this place of the network
reaches (drop_path x (cell index + 1) / cells) and progress the part of the training done, 0..1. Progress
lives in a buffer, so that setting it neither synchronises a device nor recompiles a compiled network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from popnas.layers.concatenation import concatenate
from popnas.layers.portion import AcrossExamples


class _DropPath(AcrossExamples):
    """Draws the factor of each branch and sample: 0 for a dropped one, else branches / survivors."""

    progress: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        assert 0.0 <= rate <= 1.0, rate
        self.rate = rate
        self.register_buffer("progress", torch.zeros(()), persistent=False)

    @property
    def is_dropping(self) -> bool:
        return self.training and self.rate > 0.0

    def set_progress(self, fraction: float) -> None:
        """The part of the training that is done, 0..1."""
        self.progress.fill_(fraction)

    def factors(self, branches: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One tensor (B, 1, ..., 1) per branch.

        A branch survives where its uniform draw reaches the probability; the one with the highest draw always
        does, which of all-dropped branches revives one at random and changes nothing otherwise.
        """
        first, num_branches = branches[0], len(branches)
        portion = self.shared
        num_drawn = len(first) if portion is None else portion.num_all
        draws_NB = torch.rand((num_branches, num_drawn), device=first.device)
        if portion is not None:
            draws_NB = portion.mine(draws_NB, len(first), dim=1)
        threshold_B = torch.minimum(draws_NB.amax(0), self.progress * self.rate)
        survives_NB = (draws_NB >= threshold_B).to(first.dtype)
        factors_NB = survives_NB * (num_branches / survives_NB.sum(0))
        return factors_NB.reshape(num_branches, -1, *(1,) * (first.dim() - 1)).unbind(0)


class BlockJoin(_DropPath):
    """The branches of a block, all of one shape, added up (`add`) or averaged (`avg`), drop path before."""

    def __init__(self, mode: str = "add", rate: float = 0.0) -> None:
        super().__init__(rate)
        assert mode in ("add", "avg"), mode
        self.mode = mode

    def forward(self, *branches: Tensor) -> Tensor:
        """The joined map, of the branches' shape."""
        if self.is_dropping:
            branches = tuple(b * f for b, f in zip(branches, self.factors(branches), strict=True))
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total if self.mode == "add" else total / len(branches)


class ConcatJoin(_DropPath):
    """Maps of one size concatenated along their channels, drop path before."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__(rate)

    def forward(self, *branches: Tensor) -> Tensor:
        """The channels of all branches in their order."""
        if self.is_dropping:
            branches = tuple(b * f for b, f in zip(branches, self.factors(branches), strict=True))
        return concatenate(branches)


def drop_paths(modules: Iterable[nn.Module]) -> list[_DropPath]:
    """Those of the modules that follow the schedule, e.g. of `network.modules()`."""
    return [module for module in modules if isinstance(module, _DropPath)]
