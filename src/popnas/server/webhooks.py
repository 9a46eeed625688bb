"""Tells an outside backend how jobs go: a POST of JSON for every change, signed, from a thread of its own.

`X-Popnas-Signature: t=SECONDS,sha256=HEX`: HMAC-SHA256, with the shared secret, of the time (seconds since
1970), a dot and the body. A receiver refuses what is not signed so, or is minutes old. What cannot be
delivered after some tries is dropped and logged: a backend that is away stops nothing here.
"""

from __future__ import annotations

import hmac
import json
import logging
import queue
import threading
import time
import urllib.request
from contextlib import suppress
from hashlib import sha256
from http.client import HTTPException

from popnas.server.access.settings import Webhook
from popnas.server.answers import JobAnswer
from popnas.server.jobs.record import RunJob

_LOG = logging.getLogger(__name__)
_PAUSES = (1.0, 5.0, 25.0)
_TIMEOUT = 10.0
_MOST_WAITING = 1000


class Webhooks:
    """Delivers in order; `tell` returns at once."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._waiting: queue.Queue[RunJob | None] = queue.Queue(_MOST_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="popnas-webhook", daemon=True)
        self._thread.start()

    def tell(self, job: RunJob) -> None:
        """A job's state is another one."""
        try:
            self._waiting.put_nowait(job)
        except queue.Full:
            _LOG.warning("Warning: the webhook is too slow; a change of job %d was dropped.", job.number)

    def close(self) -> None:
        """Stop; what waits still is dropped after a moment."""
        self._stop.set()
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(_TIMEOUT)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            body = json.dumps({"event": "job", "job": JobAnswer.of(job).model_dump()}).encode()
            for pause in (*_PAUSES, None):
                if self._is_delivered(body):
                    break
                if pause is None or self._stop.wait(pause):
                    _LOG.warning("Warning: the webhook did not take a change of job %d.", job.number)
                    break

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


def signature(secret: str, seconds: int, body: bytes) -> str:
    """What a receiver compares with the one in the header."""
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """What is signed for one address goes to no other."""


_OPENER = urllib.request.build_opener(_NoRedirects)
