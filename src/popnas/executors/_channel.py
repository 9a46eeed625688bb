"""Messages between driver and worker: JSON objects, a length before each, over a socket pair. No pickle."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading

from popnas.records import Json

_LENGTH = struct.Struct(">Q")
_CHUNK = 1 << 16


class Channel:
    """One end of a socket pair: the worker blocks in `receive`; the driver selects on it and calls `pump`."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._sends = threading.Lock()
        self._buffer = bytearray()

    def fileno(self) -> int:
        """For selectors."""
        return self.connection.fileno()

    def send(self, message: Json) -> None:
        """Send one message, waiting until the other end takes it; from any thread.

        Raises:
            OSError: the other end is gone.
        """
        data = json.dumps(message).encode()
        with self._sends:  # what an evaluate function tells may come from a thread of its own
            self.connection.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Json | None:
        """Wait for the next message; None when the other end is gone."""
        while True:
            message = self._next()
            if message is not None:
                return message
            if not self._fill():
                return None

    def pump(self) -> tuple[list[Json], bool]:
        """The whole messages that have arrived, without waiting, and whether the other end is still there."""
        is_open = True
        with contextlib.suppress(BlockingIOError):
            while is_open:
                is_open = self._fill(socket.MSG_DONTWAIT)
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages, is_open

    def close(self) -> None:
        """Close this end."""
        self.connection.close()

    def _fill(self, flags: int = 0) -> bool:
        try:
            data = self.connection.recv(_CHUNK, flags)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)

    def _next(self) -> Json | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        message = json.loads(bytes(self._buffer[_LENGTH.size : end]))
        del self._buffer[:end]
        return message
