"""Connections that take a place and ask for nothing: closed after a while, and the oldest at once where
others need the place.

uvicorn has timers for a connection after its first request alone; who opens a thousand and sends nothing, or
half a header, would keep everybody out without knowing any token.
"""

from __future__ import annotations

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""What a sender has until the header of his next request is whole."""

BACKLOG = 128
"""Connections that are accepted at once, before any of them is looked at."""

_MOST = 1024
_KEPT_FREE = 256
"""Of the files that this process may have open: for journals, child processes and what is being accepted."""


def most_connections() -> int:
    """How many there may be at once, by the limit on open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(16, min(_MOST, soft - _KEPT_FREE))


class Connection(H11Protocol):
    """One connection. Half of the places are for those that wait at most; what is being answered is never
    closed."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._look()
        places = (self.limit_concurrency or _MOST) // 2
        if len(self.connections) > places:
            waiting = [one for one in self.connections if isinstance(one, Connection) and one._deadline]
            if len(waiting) > places:
                min(waiting, key=_when)._give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take in what came."""
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        """An answer is whole; now the next request is waited for."""
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        if self.transport.is_closing() or (self.cycle is not None and not self.cycle.response_complete):
            self._stop_waiting()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._stop_waiting()
        self.transport.abort()  # `close` would wait until somebody reads what was answered


def _when(connection: Connection) -> float:
    assert connection._deadline is not None
    return connection._deadline.when()
