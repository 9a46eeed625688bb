"""Who may ask: the bearer of the server's token, or of a cookie that was signed for one."""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from popnas import files
from popnas.records import Record
from popnas.storage import write_json

_SECONDS = 7 * 86_400
_COOKIE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})")
_MOST_ENDED = 1000


@dataclass(frozen=True)
class _Ended(Record):
    """Sessions that somebody has logged out of: by their numbers until when their cookies were good. `until`:
    no cookie is good that expires by then, whatever its number."""

    until: int = 0
    sessions: Mapping[str, int] = field(default_factory=dict)

    def and_(self, number: str, expires: int) -> _Ended:
        """With one more; bounded, by ending early what would expire next."""
        now = int(time.time())
        known = {**{each: end for each, end in self.sessions.items() if end > now}, number: expires}
        if len(known) <= _MOST_ENDED:
            return _Ended(self.until, known)
        ends = sorted(known.values())
        until = ends[len(ends) // 2]
        return _Ended(until, {each: end for each, end in known.items() if end > until})


class Sessions:
    """Compares tokens and signs cookies. A cookie is good until it expires, somebody logs out with it, or the
    token is another one; only those logged out of are kept, in the file `ended` (None: in memory)."""

    def __init__(self, token: str, port: int, ended: Path | None = None) -> None:
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"popnas session cookie", sha256)
        # Cookies know no ports: two servers on one machine must not take each other's.
        self.cookie_name = f"popnas_session_{port}"
        self._path, self._lock = ended, threading.Lock()
        self._ended = _Ended() if ended is None else _read(ended)

    def is_token(self, given: str) -> bool:
        """Whether a text is the token; takes equally long for any."""
        return hmac.compare_digest(given.encode(errors="surrogatepass"), self._token)

    def is_bearer(self, authorization: str) -> bool:
        """Whether an Authorization header brings the token."""
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and self.is_token(given.strip())

    def cookie(self) -> str:
        """The value of a new session's cookie."""
        said = f"{int(time.time()) + _SECONDS}.{secrets.token_hex(16)}"
        return f"{said}.{self._signature(said)}"

    def is_cookie(self, value: str) -> bool:
        """Whether a cookie was signed here, is not too old, and nobody has logged out with it."""
        found = self._signed(value)
        if found is None:
            return False
        expires, number = found
        ended = self._ended
        return expires > max(time.time(), ended.until) and number not in ended.sessions

    def end(self, value: str) -> None:
        """A cookie is good no longer, also where somebody has a copy of it.

        Raises:
            StorageError: the disk refused; this server refuses the cookie all the same.
        """
        found = self._signed(value)
        if found is None:
            return
        with self._lock:
            self._ended = self._ended.and_(found[1], found[0])
            if self._path is not None:
                write_json(self._path, self._ended.to_json(), is_durable=True)

    def set_cookie(self, value: str, seconds: int = _SECONDS, *, is_secure: bool) -> str:
        """The Set-Cookie header: out of reach of scripts, and never sent along from other sites;
        `is_secure`: nor without TLS."""
        secure = "; Secure" if is_secure else ""
        return f"{self.cookie_name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"

    def _signed(self, value: str) -> tuple[int, str] | None:
        """When a cookie that was signed here expires, and its number."""
        found = _COOKIE.fullmatch(value)
        if found is None or not hmac.compare_digest(found[3], self._signature(f"{found[1]}.{found[2]}")):
            return None
        return int(found[1]), found[2]

    def _signature(self, said: str) -> str:
        return hmac.new(self._key, said.encode(), sha256).hexdigest()


def _read(path: Path) -> _Ended:
    if not files.exists(path):
        return _Ended()
    try:
        return _Ended.from_json(files.read_object(path))
    except (OSError, ValueError):
        # Nobody knows who has logged out: all who are in come in anew.
        return _Ended(until=int(time.time()) + _SECONDS)
