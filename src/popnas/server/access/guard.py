"""What every request passes before anything else looks at it.

In this order: the Host header (another site's name that was made to lead here: DNS rebinding), the Origin
(a page of another site), how often the sender asked, who he is, and the size and pace of the body. A refusal
says little: it is a JSON object with `detail`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from popnas.server.access.rates import Rate
from popnas.server.access.sessions import Sessions

MOST_BYTES = 1 << 20
"""Of a request's body: the largest configuration has a few thousand."""

_BODY_SECONDS = 10.0
_MOST_UNKNOWN_BODIES = 64
"""Bodies at once of senders that have shown no token: who is slow on purpose holds up log-ins alone."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
PAGE_HEADER = "x-popnas-page"
"""A header that the page sends with what changes something: other sites cannot send it unasked."""

_ONCE = (b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"authorization", PAGE_HEADER.encode())
"""Headers that decide: of two, a proxy and this server could look at another one each."""

_BOARDS = "/tensorboard/"
_LOG_IN = ("POST", "/api/session")
_OPEN = frozenset({"/", "/api/health", "/favicon.ico"})
_OPEN_FOLDER = "/page/"
"""The page without any data, its scripts and styles: what a browser needs to ask for the token."""

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - it names an answer
    """A request that goes no further: status and reason."""

    status: int
    detail: str
    headers: tuple[tuple[str, str], ...] = ()


class Guard:
    """The outermost ASGI application; `app` gets what may pass, with its body whole."""

    def __init__(self, app: ASGIApp, sessions: Sessions, hosts: frozenset[str]) -> None:
        self.app, self._sessions, self._hosts = app, sessions, hosts
        self._requests = Rate(per_second=500.0, burst=1000.0)
        self._failures = Rate(per_second=0.5, burst=30.0)
        self._num_unknown_bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets here
        try:
            is_known = self._check(scope)
            whole = await (_body(scope, receive) if is_known else self._unknown_body(scope, receive))
        except Refusal as refusal:
            await _refuse(refusal, send)
            return
        await self.app(scope, _replayed(whole, receive), _with_headers(send))

    def _check(self, scope: Scope) -> bool:
        """Whether the sender has shown who he is; raises Refusal for what goes no further."""
        headers = _headers(scope)
        address = (scope.get("client") or ("?", 0))[0]
        self._check_sites(scope, headers)
        is_known = self._is_known(headers)
        # Tickets of their own: behind a proxy who shows nothing has the address of those who do.
        if not self._requests.take(f"{address} known" if is_known else address):
            raise Refusal(429, "too many requests; wait a second.", (("retry-after", "1"),))
        method, path = scope["method"], scope["path"]
        is_open = method in _READING and (path in _OPEN or path.startswith(_OPEN_FOLDER))
        if not is_open and (method, path) != _LOG_IN:
            self._check_known(scope, headers, address, is_known=is_known)
        return is_known

    def failed(self, address: str) -> Refusal:
        """Count a wrong token; what its sender is told.

        The right one is never refused: behind a proxy all share one address, and who guesses there would
        keep everybody out. What guards the token is its length, not how fast somebody may guess.
        """
        return _NOT_KNOWN if self._failures.take(address) else _TOO_MANY_FAILURES

    async def _unknown_body(self, scope: Scope, receive: Receive) -> bytes:
        headers = _headers(scope)
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            return await _body(scope, receive)  # nothing to wait for
        if self._num_unknown_bodies >= _MOST_UNKNOWN_BODIES:
            raise Refusal(503, "too many log in at once; try again.", (("retry-after", "1"),))
        self._num_unknown_bodies += 1
        try:
            return await _body(scope, receive)
        finally:
            self._num_unknown_bodies -= 1

    def _check_sites(self, scope: Scope, headers: Mapping[str, str]) -> None:
        given = Counter(name for name, _ in scope["headers"])
        host = headers.get("host", "").lower()
        if given[b"host"] != 1 or host not in self._hosts:
            raise Refusal(421, "this server is not reached under that name.")
        if twice := [name.decode() for name in _ONCE if given[name] > 1]:
            raise Refusal(400, f"the header {twice[0]} stands there more than once.")
        origin = headers.get("origin")
        if origin is not None and _web_host(origin) != host:
            raise Refusal(403, "requests of other sites are refused.")
        site = headers.get("sec-fetch-site", "none")
        is_visit = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
        if site not in ("none", "same-origin") and not is_visit:
            raise Refusal(403, "requests of other sites are refused.")

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("authorization")
        if given is not None:
            return self._sessions.is_bearer(given)
        return self._sessions.is_cookie(_cookie(headers.get("cookie", ""), self._sessions.cookie_name))

    def _check_known(self, scope: Scope, headers: Mapping[str, str], address: str, *, is_known: bool) -> None:
        has_token = "authorization" in headers
        if not is_known:
            raise self.failed(address) if has_token else _NOT_KNOWN
        # TensorBoard's page reads by POST and knows no header of ours; the Origin was compared already.
        is_board = scope["path"].startswith(_BOARDS) and "origin" in headers
        is_own = is_board or headers.get(PAGE_HEADER) == "1"
        if not has_token and scope["method"] not in _READING and not is_own:
            raise Refusal(403, f"with a cookie, what changes something needs the header {PAGE_HEADER}: 1.")


_NOT_KNOWN = Refusal(
    401, "the server's token is needed, as `Authorization: Bearer TOKEN`.", (("www-authenticate", "Bearer"),)
)
_TOO_MANY_FAILURES = Refusal(429, "too many wrong tokens; wait a minute.", (("retry-after", "60"),))


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _web_host(origin: str) -> str | None:
    """The host of a site, port included; None of what is none."""
    try:
        found = urlsplit(origin)
    except ValueError:  # "http://["
        return None
    return found.netloc.lower() if found.scheme in ("http", "https") else None


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The whole body; raises Refusal if it is too large or comes too slowly."""
    length = _headers(scope).get("content-length", "0")
    if not length.isdecimal() or len(length) > 20 or int(length) > MOST_BYTES:
        raise _TOO_LARGE
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _read(receive)
    except TimeoutError:
        raise Refusal(408, "the body came too slowly.", (("connection", "close"),)) from None


_TOO_LARGE = Refusal(413, f"a body may have {MOST_BYTES} bytes.", (("connection", "close"),))


async def _read(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the sender is gone.")
        pieces.append(message.get("body", b""))
        if sum(map(len, pieces)) > MOST_BYTES:
            raise _TOO_LARGE
        if not message.get("more_body", False):
            return b"".join(pieces)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, and then what comes."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send) -> Send:
    """Adds the headers of every answer, where the answer has none of its own."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            more = [
                (name.encode(), value.encode())
                for name, value in _HEADERS.items()
                if name.encode() not in own
            ]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return add


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps({"detail": refusal.detail}).encode()
    headers = {**_HEADERS, **dict(refusal.headers), "content-type": "application/json"}
    headers["content-length"] = str(len(body))
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
