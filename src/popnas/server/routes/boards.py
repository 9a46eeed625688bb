"""TensorBoard for a run, behind the server's own token."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from popnas.server.access.places import parts_of
from popnas.server.answers import Board
from popnas.server.routes._base import Parts, Run, folder_of

router = APIRouter(tags=["tensorboard"])
pages = APIRouter()

# TensorBoard's own page needs scripts in the page; it still loads nothing from elsewhere.
_CSP = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'self'"
)
_PASSED_ON = ("accept", "accept-encoding", "content-type")


@router.post("/runs/{run}/tensorboard")
def start(run: Run, parts: Parts) -> Board:
    """Start TensorBoard for a run, unless it runs; it ends when nobody has looked for ten minutes."""
    is_ready = parts.boards.start(run, folder_of(parts, run))
    return Board(path=f"/tensorboard/{run}/", is_ready=is_ready)


@router.delete("/runs/{run}/tensorboard", status_code=204)
def stop(run: Run, parts: Parts) -> None:
    """End it now."""
    parts.boards.stop(run)


@pages.api_route("/tensorboard/{run}/{path:path}", methods=["GET", "POST"], include_in_schema=False)
async def passed(run: Run, path: str, request: Request, parts: Parts) -> Response:
    """What TensorBoard answers."""
    parts_of(path.rstrip("/"))
    query = request.url.query
    headers = {name: value for name in _PASSED_ON if (value := request.headers.get(name)) is not None}
    found = await run_in_threadpool(
        parts.boards.passed,
        run,
        request.method,
        f"{path}?{query}" if query else path,
        headers,
        await request.body(),
    )
    return Response(found.body, found.status, {**found.headers, "content-security-policy": _CSP})
