"""TensorBoard for a run, behind the server's own token."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from popnas.server.access.places import parts_of
from popnas.server.answers import Board
from popnas.server.routes._base import Parts, Run, folder_of

router = APIRouter(tags=["tensorboard"])
pages = APIRouter()

_PASSED_ON = ("accept", "accept-encoding", "content-type")


def _policy(host: str, run: str) -> str:
    """TensorBoard's own page needs scripts in the page. It has the origin of the API, so its scripts may load
    and ask for what is below its own path and for nothing else, and open no window in which they could."""
    # A policy's grammar knows no IPv6 addresses: reached by one, all of this server is "own".
    own = "'self'" if host.startswith("[") else f"{host}/tensorboard/{run}/"
    return (
        f"default-src {own} data: blob:; script-src {own} 'unsafe-inline' 'unsafe-eval' blob:; "
        f"style-src {own} 'unsafe-inline'; connect-src {own} data: blob:; worker-src {own} blob:; "
        f"object-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri {own}; "
        "sandbox allow-scripts allow-same-origin allow-downloads allow-modals"
    )


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
        f"{quote(path)}?{query}" if query else quote(path),
        headers,
        await request.body(),
    )
    policy = _policy(request.headers["host"], run)
    return Response(found.body, found.status, {**found.headers, "content-security-policy": policy})
