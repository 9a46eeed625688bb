"""The ASGI application, and the process that serves it."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import JsonValue

from popnas.errors import CellSyntaxError, ConfigError, PopnasError, UserError
from popnas.printable import printable
from popnas.server.access.connections import BACKLOG, Connection, most_connections
from popnas.server.access.guard import Guard
from popnas.server.access.places import NotThereError
from popnas.server.access.sessions import Sessions
from popnas.server.access.settings import ServerSettings, make_state_folder, own_token
from popnas.server.answers import ProblemAnswer, Refused
from popnas.server.configurations import TooManyError
from popnas.server.jobs.queue import BusyError
from popnas.server.routes import actions, boards, configuration, files, page, runs, session
from popnas.server.routes._base import REFUSALS, bearer
from popnas.server.services import Services

_STATUS: tuple[tuple[type[PopnasError], int], ...] = (
    (TooManyError, 429),
    (NotThereError, 404),
    (BusyError, 409),
    (ConfigError, 422),
    (CellSyntaxError, 422),
    (UserError, 400),
    (PopnasError, 503),
)
_CLOSE_SECONDS = 2


def create(services: Services, hosts: frozenset[str]) -> Guard:
    """The whole application; `hosts` is what may stand in a Host header."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services.running():
            yield

    app = FastAPI(
        title="popnas",
        summary="Searches on this machine: started, watched, stopped, and what they found.",
        version=version("popnas"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.services = services
    for module in (session, runs, actions, configuration, files, boards):
        app.include_router(module.router, prefix="/api", responses=REFUSALS, dependencies=[bearer])
    app.include_router(boards.pages)
    app.include_router(page.router)
    app.add_exception_handler(PopnasError, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.state.guard = Guard(app, services.sessions, hosts)
    guard: Guard = app.state.guard
    return guard


async def _refused(request: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    problems = error.problems if isinstance(error, ConfigError) else []
    listed = [
        ProblemAnswer(place=item.place, value=_shown(item.value), message=printable(item.message))
        for item in problems
    ]
    detail = "there are mistakes in the configuration." if problems else printable(str(error))
    headers = {"retry-after": "5"} if status == 429 else None
    return _answer(status, Refused(detail=detail, problems=listed), headers)


async def _not_understood(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    listed = [
        ProblemAnswer(place=printable(".".join(map(str, item["loc"]))), message=printable(f"{item['msg']}."))
        for item in error.errors()[:100]
    ]
    return _answer(422, Refused(detail="the request is not as it must be.", problems=listed))


def _answer(status: int, refused: Refused, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(refused.model_dump(mode="json"), status, headers)


def _shown(value: JsonValue) -> JsonValue:
    """A value that was given, if it can be written down again."""
    try:
        JSONResponse(value)
    except (ValueError, TypeError, RecursionError):
        return None
    return value


def serve(settings: ServerSettings, tell: Callable[[str, str], None]) -> None:
    """Serve until a signal ends it; jobs go on. `tell` hears the address and the token once it listens.

    Raises:
        UserError: what would be unsafe, or an address that cannot be listened at.
        StorageError: the disk refused.
    """
    settings.check()
    make_state_folder(settings)
    token = own_token(settings)
    listening = _listening(settings)
    port: int = listening.getsockname()[1]
    with listening:
        services = Services.of(settings, Sessions(token, port, settings.state / "sessions.json"))
        app = create(services, settings.allowed_hosts(port))
        # Its warnings are of what strangers send, each of it a line.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        server = server_of(app, services)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        tell(f"http://{host}:{port}/", token)
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends streams before it waits for answers to end: cancelled, they would leave tracebacks."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await self._services.streams.end()
        await super().shutdown(sockets)


def server_of(app: Guard, services: Services) -> uvicorn.Server:
    """What answers on a socket, as `app` says."""
    return _Server(
        uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            backlog=BACKLOG,
            limit_concurrency=most_connections(),
            timeout_graceful_shutdown=_CLOSE_SECONDS,
            h11_max_incomplete_event_size=32 << 10,
        ),
        services,
    )


def _listening(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
        found.listen(BACKLOG)  # from now on who connects waits until he is answered
    except OSError as error:
        found.close()
        raise UserError(
            f"cannot listen at {settings.host}, port {settings.port}: {error.strerror or error}. Give "
            "another `port`, or 0 for a free one."
        ) from error
    found.set_inheritable(False)
    return found
