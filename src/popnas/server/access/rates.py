"""How often somebody may ask: a bucket of tickets per address that fills up again with time."""

from __future__ import annotations

import time
from collections import OrderedDict

_MOST_ADDRESSES = 4096


class Rate:
    """`burst` requests at once and `per_second` after that, of each address."""

    def __init__(self, per_second: float, burst: float) -> None:
        self.per_second, self.burst = per_second, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Take a ticket; False: there is none."""
        left = self.left(address)
        if left < 1:
            return False
        self._left[address] = (left - 1, time.monotonic())
        self._left.move_to_end(address)
        if len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)
        return True

    def left(self, address: str) -> float:
        """How many tickets an address has."""
        left, then = self._left.get(address, (self.burst, 0.0))
        return min(self.burst, left + (time.monotonic() - then) * self.per_second)
