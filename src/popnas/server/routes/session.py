"""Logging in with the token, and whether the server is well."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from popnas.server.access.guard import Guard
from popnas.server.answers import Health, Login
from popnas.server.routes._base import Parts

router = APIRouter(tags=["session"])

_VERSION = version("popnas")


@router.get("/health")
async def health() -> Health:
    """The server answers; needs no token, and no thread that others may keep busy."""
    return Health(status="ok", version=_VERSION)


@router.post("/session", status_code=204)
def log_in(asked: Login, request: Request, parts: Parts) -> Response:
    """Exchange the token for the cookie of a browser's session, which no script can read."""
    if not parts.sessions.is_token(asked.token):
        guard: Guard = request.app.state.guard
        refusal = guard.failed(request.client.host if request.client is not None else "?")
        detail = refusal.detail if refusal.status != 401 else "that is not this server's token."
        return JSONResponse({"detail": detail}, refusal.status, dict(refusal.headers))
    cookie = parts.sessions.set_cookie(parts.sessions.cookie(), is_secure=_has_tls(request))
    return Response(status_code=204, headers={"set-cookie": cookie})


@router.delete("/session", status_code=204)
def log_out(request: Request, parts: Parts) -> Response:
    """End the session: its cookie is refused from now on, whoever has it."""
    parts.sessions.end(request.cookies.get(parts.sessions.cookie_name, ""))
    cookie = parts.sessions.set_cookie("", 0, is_secure=_has_tls(request))
    return Response(status_code=204, headers={"set-cookie": cookie})


def _has_tls(request: Request) -> bool:
    """Whether the browser has the page by TLS, which a proxy may have before this server. A browser says so
    itself with every POST and DELETE; no header of a proxy has to be believed."""
    return request.headers.get("origin", "").startswith("https://")
