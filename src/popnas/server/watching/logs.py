"""Pieces of logs, read from where the reader is."""

from __future__ import annotations

import os
from pathlib import Path

from popnas.printable import printable
from popnas.server.access.places import open_file
from popnas.server.answers import LogPiece


def piece(folder: Path, name: str, start: int, limit: int) -> LogPiece:
    """At most `limit` bytes of a log from `start` on, in whole lines where there are any; -1: its end.

    Raises:
        NotThereError: there is no such log.
    """
    with open_file(folder, name) as file:
        size = os.fstat(file.fileno()).st_size
        begin = max(0, size - limit) if start < 0 or start > size else start
        file.seek(begin)
        data = file.read(limit)
    if start < 0 < begin:
        cut = data.find(b"\n") + 1
        if cut < len(data):
            begin, data = begin + cut, data[cut:]
    if begin + len(data) < size or not data.endswith(b"\n"):
        # The rest of a line comes with the next piece, unless the line alone is longer than one.
        data = data[: data.rfind(b"\n") + 1] or (data if len(data) == limit else b"")
    text = printable(data.decode(errors="replace").replace("\r", "\n"))
    return LogPiece(text=text, start=begin, next=begin + len(data), size=size)
