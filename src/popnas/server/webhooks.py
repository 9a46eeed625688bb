"""Tells an outside backend how jobs go: a POST of JSON for every change, signed, from a thread of its own.

`X-Popnas-Signature: t=SECONDS,sha256=HEX`: HMAC-SHA256, with the shared secret, of the time (seconds since
1970), a dot and the body. A receiver refuses what is not signed so, or is minutes old. Messages lie on disk
until they are delivered, so a server that ends loses none; one that ends just after a delivery may deliver it
again. What cannot be delivered after some tries is dropped and logged: a backend that is away stops nothing
here.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
import time
import urllib.request
from collections import deque
from contextlib import suppress
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path

from popnas import files
from popnas.errors import PopnasError
from popnas.printable import quoted
from popnas.server.access.settings import Webhook
from popnas.server.answers import JobAnswer
from popnas.server.jobs.record import RunJob
from popnas.storage import write_json

_LOG = logging.getLogger(__name__)
_PAUSES = (1.0, 5.0, 25.0)
_TIMEOUT = 10.0
_MOST_WAITING = 1000


class Webhooks:
    """Delivers in order what lies in `folder`; `tell` waits for the disk alone."""

    def __init__(self, webhook: Webhook, folder: Path) -> None:
        self._webhook, self._folder = webhook, folder
        folder.mkdir(exist_ok=True)
        kept = [int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()]
        self._waiting = deque(sorted(kept))
        self._last = max(self._waiting, default=0)
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="popnas-webhook", daemon=True)
        self._thread.start()

    def tell(self, job: RunJob) -> None:
        """A job's state is another one."""
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                _LOG.warning("Warning: the webhook is too slow; a change of job %d was dropped.", job.number)
                return
            self._last += 1
            try:
                message = {"event": "job", "job": JobAnswer.of(job).model_dump()}
                write_json(self._place(self._last), message, is_durable=True)
            except PopnasError as error:
                _LOG.warning("Warning: the webhook is not told of a change of job %d: %s", job.number, error)
                return
            self._waiting.append(self._last)
            self._changed.notify()

    def close(self) -> None:
        """Stop; what waits still is delivered by the next server."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(_TIMEOUT)

    def _work(self) -> None:
        while (number := self._next()) is not None:
            path = self._place(number)
            if not self._is_done_with(path):
                return
            with suppress(OSError):  # the next server delivers it again
                path.unlink()
            with self._changed:
                self._waiting.popleft()

    def _next(self) -> int | None:
        """The oldest message that waits, when there is one; None: the server ends."""
        with self._changed:
            while not self._waiting and not self._stop.is_set():
                self._changed.wait()
            return None if self._stop.is_set() else self._waiting[0]

    def _is_done_with(self, path: Path) -> bool:
        """Whether a message was delivered or given up; False: the server ends before."""
        try:
            body = json.dumps(files.read_object(path)).encode()
        except (OSError, ValueError) as error:
            _LOG.warning("Warning: the message to the webhook in %s is left out: %s.", quoted(path), error)
            return True
        for pause in (*_PAUSES, None):
            if self._is_delivered(body):
                return True
            if pause is not None and self._stop.wait(pause):
                return False
        _LOG.warning("Warning: the webhook did not take %s; it is dropped.", body.decode())
        return True

    def _is_delivered(self, body: bytes) -> bool:
        now = int(time.time())
        request = urllib.request.Request(
            self._webhook.url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "X-Popnas-Signature": f"t={now},sha256={signature(self._webhook.secret, now, body)}",
            },
        )
        try:
            with _OPENER.open(request, timeout=_TIMEOUT) as answer:
                return 200 <= answer.status < 300
        except (OSError, HTTPException, ValueError):
            return False

    def _place(self, number: int) -> Path:
        return self._folder / f"{number:09d}.json"


def signature(secret: str, seconds: int, body: bytes) -> str:
    """What a receiver compares with the one in the header."""
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """What is signed for one address goes to no other."""


_OPENER = urllib.request.build_opener(_NoRedirects)
