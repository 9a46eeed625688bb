"""How trainings share the time that is left until a deadline: each as much as it costs, so that all get
through as much of what they were to do."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence

from popnas.cells import Cell
from popnas.networks.cost import network_cost
from popnas.networks.macros import MACROS
from popnas.networks.spec import NetworkSpec

_STEP_FLOPS = 9_000_000
"""What a training step costs whatever the network: small ones would get too little by their FLOPs alone.
Measured: six networks of 52,000 to 640,000 FLOPs, batches of 32 images of 8x8, one thread: 0.18 to 0.55 s an
epoch."""


def cost(cell: Cell, spec: NetworkSpec, batch_size: int) -> float:
    """What an example costs of a network that is trained, in FLOPs; 0 of one that is fitted at once, however
    little time there is."""
    if not MACROS.get(spec.macro).is_of_cells:
        return 0.0
    return network_cost(cell, spec).flops + _STEP_FLOPS / batch_size


def parts(costs: Sequence[float], workers: int, then: float = 0.0) -> list[float]:
    """Of the time that is left when each of the trainings begins, in their order, `workers` at a time, the
    part that it may take; `then`: the costs of what comes after all of them."""
    free = [0.0] * workers
    begun, ended = [], []
    for cost in costs:
        begun.append(heapq.heappop(free))
        ended.append(begun[-1] + cost)
        heapq.heappush(free, ended[-1])
    end = max(ended, default=0.0) + then
    return [
        (stop - start) / (end - start) if end > start else 1.0
        for start, stop in zip(begun, ended, strict=True)
    ]


def until(deadline: float | None, part: float) -> float | None:
    """When a training that begins now has to end to take `part` of what is left until the `deadline`
    (`time.monotonic()`)."""
    if deadline is None:
        return None
    now = time.monotonic()
    return now + max(deadline - now, 0.0) * part
