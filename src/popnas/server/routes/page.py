"""The page: files of the package, which say nothing of any run."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from popnas.server.access.places import NotThereError

router = APIRouter(include_in_schema=False)

_MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def _contents() -> dict[str, bytes]:
    """All files of the page by their place in it; no request chooses what is read from disk."""
    top = files("popnas.server").joinpath("page")
    found = {}
    for folder, before in ((top, ""), (top.joinpath("vendor"), "vendor/")):
        for entry in folder.iterdir():
            if entry.is_file():
                found[before + entry.name] = entry.read_bytes()
    return found


_FILES: dict[str, bytes] = {}


@router.get("/")
def index() -> Response:
    """The page."""
    return page_file("index.html")


@router.get("/favicon.ico")
def icon() -> Response:
    """The page's picture."""
    return page_file("icon.svg")


@router.get("/page/{path:path}")
def page_file(path: str) -> Response:
    """A file of the page."""
    if not _FILES:
        _FILES.update(_contents())
    if path not in _FILES:
        raise NotThereError("the page has no such file.")
    suffix = path[path.rfind(".") :]
    return Response(_FILES[path], media_type=_MEDIA[suffix], headers={"cache-control": "no-cache"})
