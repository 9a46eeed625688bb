"""Who may ask: the bearer of the server's token, or of a cookie that was signed for one."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from hashlib import sha256

_SECONDS = 7 * 86_400
_COOKIE = re.compile(r"(\d{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})")


class Sessions:
    """Compares tokens and signs cookies. Nothing is kept: a cookie is good until it expires or the token is
    another one."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"popnas session cookie", sha256)
        # Cookies know no ports: two servers on one machine must not take each other's.
        self.cookie_name = f"popnas_session_{port}"

    def is_token(self, given: str) -> bool:
        """Whether a text is the token; takes equally long for any."""
        return hmac.compare_digest(given.encode(), self._token)

    def is_bearer(self, authorization: str) -> bool:
        """Whether an Authorization header brings the token."""
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and self.is_token(given.strip())

    def cookie(self) -> str:
        """The value of a new session's cookie."""
        said = f"{int(time.time()) + _SECONDS}.{secrets.token_hex(16)}"
        return f"{said}.{self._signature(said)}"

    def is_cookie(self, value: str) -> bool:
        """Whether a cookie was signed here and is not too old."""
        found = _COOKIE.fullmatch(value)
        if found is None:
            return False
        said = f"{found[1]}.{found[2]}"
        return hmac.compare_digest(found[3], self._signature(said)) and int(found[1]) > time.time()

    def set_cookie(self, value: str, seconds: int = _SECONDS) -> str:
        """The Set-Cookie header: out of reach of scripts, and never sent along from other sites."""
        return f"{self.cookie_name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"

    def _signature(self, said: str) -> str:
        return hmac.new(self._key, said.encode(), sha256).hexdigest()
