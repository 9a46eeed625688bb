"""Several networks that answer together: the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from popnas.networks.answering import Answering
from popnas.networks.network import Network
from popnas.networks.spec import Contract, NetworkSpec


class Ensemble(Answering):
    """At least one network, all for the same inputs and classes; its one head answers with the logarithm of
    the mean of the members' probabilities (their main heads')."""

    head_weights = (1.0,)

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._first = [members[0]]  # in a list, or its weights would be registered twice

    def __str__(self) -> str:
        return f"of {len(self.members)} networks"

    @property
    def spec(self) -> NetworkSpec:
        """That of the first member."""
        return self._first[0].spec

    @cached_property
    def contract(self) -> Contract:
        """See `Answering`: that of every member."""
        return self._first[0].contract

    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
        """See `Answering.forward`."""
        logits = [torch.log_softmax(member(x, lengths_B)[-1], dim=1) for member in self.members]
        # Of logarithms: a probability of 0 in every member would have none.
        return (torch.logsumexp(torch.stack(logits), dim=0) - math.log(len(logits)),)
