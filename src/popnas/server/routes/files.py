"""Files of a run's folder, read only."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from popnas.server.access.places import listed, open_file
from popnas.server.answers import FileEntry, Folder
from popnas.server.routes._base import Parts, Run, folder_of

router = APIRouter(tags=["files"])

_SHOWN = {".html": "text/html", ".png": "image/png", ".svg": "image/svg+xml", ".json": "application/json"}
_SHOWN |= dict.fromkeys((".txt", ".log", ".csv", ".md", ".jsonl"), "text/plain")
# Whatever a page of a run holds, it runs no script, loads nothing and sends nothing. It keeps its origin, so
# that its links to other pages of the run are followed: without scripts nothing else comes of that.
_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox allow-same-origin"
_PIECE = 1 << 18


@router.get("/runs/{run}/files")
def list_folder(run: Run, parts: Parts, path: str = "") -> Folder:
    """What lies in a folder of a run; links are left out."""
    found = listed(folder_of(parts, run), path)
    entries = [
        FileEntry(name=item.name, is_folder=item.is_folder, size=item.size, modified=item.modified)
        for item in found
    ]
    return Folder(path=path, entries=entries)


@router.get("/runs/{run}/files/{path:path}", response_class=StreamingResponse)
def download(run: Run, path: str, parts: Parts) -> StreamingResponse:
    """A file of a run: pages, pictures and texts to look at, everything else to keep."""
    file = open_file(folder_of(parts, run), path)
    size = os.fstat(file.fileno()).st_size
    name = path.rpartition("/")[2]
    suffix = PurePosixPath(name).suffix.lower()
    kind = "inline" if suffix in _SHOWN else "attachment"
    media = _SHOWN.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {
        "content-disposition": f"{kind}; filename*=UTF-8''{quote(name)}",
        "content-length": str(size),
        "content-security-policy": _CSP,
    }
    return StreamingResponse(_pieces(file, size), media_type=media, headers=headers)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes of a file, which may grow meanwhile."""
    with file:
        while size > 0 and (data := file.read(min(_PIECE, size))):
            size -= len(data)
            yield data
