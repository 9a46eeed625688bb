"""What runs on the nodes of a cluster: trainers, which evaluate; the mailbox, which holds what they tell."""

from __future__ import annotations

import json
import sys
from collections import deque
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from popnas.errors import UserError
from popnas.executors import _telling, _worker
from popnas.executors._base import failure, passed_on
from popnas.executors._messages import Advanced, Ready, SetupFailed, Stop, packed
from popnas.executors._orders import Order
from popnas.executors._ray import copies
from popnas.executors._ray.connection import connected
from popnas.executors._telling import Misread, Progress
from popnas.executors._warnings import GATHERED
from popnas.printable import without_secrets

_MOST_NEWS = 10_000
_LAST_WORDS_SECONDS = 2.0


class Trainer:
    """What runs in an actor: set up once, then one job after the other. Both answer with a JSON text."""

    _copy: copies.Copy | None = None

    def set_up(self, order: str, expected: str, path: list[str], parcel: copies.Parcel | None) -> str:
        """`path`: the driver's import path, for what is in the same place here, too; `parcel`: what
        `Work.folder` holds."""
        sys.path += [item for item in path if item not in sys.path]
        try:
            if (own := version("popnas")) != expected:
                raise UserError(
                    f"a node of the cluster has popnas {own}, the driver {expected}: install the same "
                    "everywhere."
                )
            copies.remove_stale()
            self._copy = None if parcel is None else copies.made(parcel, lambda item: connected().get(item))
            given = Order.from_json(json.loads(order))
            worker = replace(given.worker, folder=None if self._copy is None else str(self._copy.folder))
            self._context, self._evaluate = _worker.set_up(replace(given, worker=worker))
        except BaseException as error:
            name = passed_on(error)
            if name is not None:
                return json.dumps(packed(Stop(name, str(error))))
            summary = without_secrets(f"{type(error).__name__}: {error}")
            return json.dumps(packed(SetupFailed(summary, failure(error).traceback or "")))
        node = connected().get_runtime_context().get_node_id()
        return json.dumps(packed(Ready(node, GATHERED.take())))

    def evaluate(self, job_id: str, payload: str, mailbox: Any) -> str:
        """One job; what it tells goes to the mailbox."""
        sent: list[Any] = []

        def pass_on(progress: Progress | Misread) -> None:
            with suppress(Exception):  # only a view: it may cost no result
                sent[:] = [mailbox.put.remote(job_id, json.dumps(packed(Advanced(progress))))]

        with _telling.heard_by(pass_on if mailbox is not None else None):
            answer = _worker.evaluate(self._evaluate, self._context, json.loads(payload))
        if sent:  # the driver hears it before it has the answer; a mailbox that is gone is not waited for
            with suppress(Exception):
                connected().wait(sent, timeout=_LAST_WORDS_SECONDS)
        return json.dumps(packed(answer))

    def leave(self) -> None:
        """Let go of the copy of the folder; the node's last actor removes it."""
        if self._copy is not None:
            self._copy.leave()


class Mailbox:
    """The latest of what running jobs tell, until the driver takes it."""

    def __init__(self) -> None:
        self._news: deque[tuple[str, str]] = deque(maxlen=_MOST_NEWS)

    def put(self, job_id: str, text: str) -> None:
        """From a trainer."""
        self._news.append((job_id, text))

    def take(self) -> str:
        """By the driver: pairs of job's id and text, as JSON."""
        news = list(self._news)
        self._news.clear()
        return json.dumps(news)
