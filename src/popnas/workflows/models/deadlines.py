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


def cost(cell: Cell, spec: NetworkSpec) -> int:
    """FLOPs of a network that is trained; 0 of one that is fitted at once, however little time there is."""
    return network_cost(cell, spec).flops if MACROS.get(spec.macro).is_of_cells else 0


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
