"""Logging in with the token, and whether the server is well."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from popnas.server.access.guard import Guard
from popnas.server.answers import Health, Login
from popnas.server.routes._base import Parts

router = APIRouter(tags=["session"])


@router.get("/health")
def health() -> Health:
    """The server answers; needs no token."""
    return Health(status="ok", version=version("popnas"))


@router.post("/session", status_code=204)
def log_in(asked: Login, request: Request, parts: Parts) -> Response:
    """Exchange the token for the cookie of a browser's session, which no script can read."""
    if not parts.sessions.is_token(asked.token):
        guard: Guard = request.app.state.guard
        guard.failed(request.client.host if request.client is not None else "?")
        return JSONResponse({"detail": "that is not this server's token."}, 401)
    return Response(
        status_code=204, headers={"set-cookie": parts.sessions.set_cookie(parts.sessions.cookie())}
    )


@router.delete("/session", status_code=204)
def log_out(parts: Parts) -> Response:
    """Forget the cookie."""
    return Response(status_code=204, headers={"set-cookie": parts.sessions.set_cookie("", 0)})
