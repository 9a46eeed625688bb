"""What processes that train a network together agree on; threads stand for them, and a list for the wire."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from popnas.placement import Placement, precision
from popnas.training.parallel import Team

PASCAL, VOLTA, AMPERE = (6, 1), (7, 0), (8, 0)


class WiredTeam(Team):
    """A member whose sums go by a list that all members have."""

    def __init__(
        self, number: int, size: int, wire: list[Tensor | None], all_there: threading.Barrier
    ) -> None:
        super().__init__(number, size, torch.device("cpu"))
        self.wire, self.all_there = wire, all_there

    def total(self, x: Tensor) -> Tensor:
        self.wire[self.number] = x.clone()
        self.all_there.wait(10)
        found = torch.stack([part for part in self.wire if part is not None]).sum(dim=0)
        self.all_there.wait(10)
        return found


@pytest.mark.parametrize(
    ("generations", "wanted"),
    [
        ((AMPERE, AMPERE), torch.bfloat16),
        ((VOLTA, AMPERE), torch.float16),  # what the first takes, and the second can, too
        ((AMPERE, VOLTA), None),
        ((VOLTA, PASCAL), None),
        ((PASCAL, AMPERE), None),
    ],
)
def test_unlike_gpus_compute_in_one_type_of_numbers(
    monkeypatch: pytest.MonkeyPatch, generations: tuple[tuple[int, int], ...], wanted: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: generations[device.index])
    size = len(generations)
    wire, all_there = [None] * size, threading.Barrier(size)

    def agreed(number: int) -> Placement:
        device = torch.device(f"cuda:{number}")
        own = Placement(device, torch.channels_last, precision(device, has_mixed_precision=True))
        return WiredTeam(number, size, wire, all_there).agreed(own)

    with ThreadPoolExecutor(size) as pool:
        found = list(pool.map(agreed, range(size)))
    assert [place.autocast for place in found] == [wanted] * size
    assert [place.device.index for place in found] == list(range(size)), "and nothing else changes"
    assert all(place.memory_format is torch.channels_last for place in found)
