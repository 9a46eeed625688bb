"""The cluster: found, connected to, asked what it has, and noticed when it is gone."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from popnas.errors import ExecutorError, MissingExtraError, UserError

_Answer = TypeVar("_Answer")
_POLL_SECONDS = 0.5
_CONNECT_SECONDS = 5.0
_ASK_SECONDS = 5.0
_LOST_SECONDS = 30.0
"""Long enough for a head that comes back (KubeRay's fault tolerance); after 60 s Ray itself would end the
driver, from within and without a word to Python."""


def connected() -> ModuleType:
    """Ray, connected to the cluster that RAY_ADDRESS names, to the one that `ray start` began on this
    machine, or, where there is none, to one of this machine alone.

    Raises:
        MissingExtraError: Ray is not installed.
        UserError: no cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would tell its makers
    try:
        import ray
    except ImportError:
        raise MissingExtraError("others.executor.kind 'ray'", "ray", "ray") from None
    if not ray.is_initialized():
        ending, address = signal.getsignal(signal.SIGTERM), _address()
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its words are not ours
                ray.init(
                    address=address,
                    log_to_driver=False,
                    include_dashboard=False,
                    logging_level=logging.ERROR,
                    configure_logging=False,
                )
        except Exception as error:  # of many kinds
            raise _no_cluster(address, first_line(error)) from error
        if ending is not None:
            signal.signal(signal.SIGTERM, ending)  # Ray has put its own in its place
    return ray


def resources() -> list[Mapping[str, float]]:
    """What each node that is there has, by Ray's names ("CPU", "GPU")."""
    return [node["Resources"] for node in connected().nodes() if node["Alive"]]


def nodes_alive() -> frozenset[str]:
    """The ids of the nodes that are there."""
    return frozenset(node["NodeID"] for node in connected().nodes() if node["Alive"])


def beside_driver() -> Any:
    """Where an actor is placed that must not be lost before the driver is: on the driver's own node."""
    ray = connected()
    own = ray.get_runtime_context().get_node_id()
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(own, soft=True)


def first_line(error: BaseException) -> str:
    """Ray's messages go on for a page."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error)).rstrip(".")


@contextmanager
def reached() -> Iterator[None]:
    """What is asked of the cluster in the block; what it cannot do any more is said in a sentence.

    Raises:
        ExecutorError: likewise.
    """
    try:
        yield
    except (connected().exceptions.RayError, ConnectionError) as error:
        raise _lost(f"it refused: {first_line(error)}") from error


class Pulse:
    """Whether the cluster's head still answers, asked now and then: Ray tells a driver nothing of that."""

    def __init__(self) -> None:
        self._place: str = connected().get_runtime_context().gcs_address
        self._asked = time.monotonic()
        self._silent_since: float | None = None
        self.is_lost = False

    def heard(self, ask: Callable[[], _Answer]) -> _Answer:
        """What the head answers to `ask`. Ray would wait for one that is gone until it ends the driver.

        Raises:
            ExecutorError: nobody has answered for half a minute.
        """
        answer: Future[_Answer] = Future()

        def wait() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=wait, name="popnas-ray", daemon=True).start()
        while not futures.wait([answer], _POLL_SECONDS).done:
            self.check()
        return answer.result()

    def check(self) -> None:
        """To be called often; it asks every few seconds.

        Raises:
            ExecutorError: nobody has answered for half a minute.
        """
        now = time.monotonic()
        if now - self._asked < _ASK_SECONDS:
            return
        self._asked = now
        if answers(self._place):
            self._silent_since = None
            return
        # Not from when it answered last: between steps nobody asks.
        self._silent_since = now if self._silent_since is None else self._silent_since
        seconds = now - self._silent_since
        if seconds >= _LOST_SECONDS:
            self.is_lost = True
            raise _lost(f"its head at {self._place} has not answered for {seconds:.0f} seconds")


def answers(place: str) -> bool:
    """Whether somebody takes a connection at "HOST:PORT"."""
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _lost(why: str) -> ExecutorError:
    return ExecutorError(
        f"the Ray cluster is lost: {why}. What was evaluated is kept. Look with `ray status`, begin the "
        "cluster again if it has ended, and go on with `popnas search -r` and the run's folder."
    )


def _address() -> str:
    """Of the cluster to take. Whether somebody answers there is asked first: Ray itself waits for minutes,
    also for a cluster of this machine that was killed.

    Raises:
        UserError: nobody answers at RAY_ADDRESS.
    """
    asked = os.environ.get("RAY_ADDRESS", "auto")
    if asked != "auto":
        place = asked.rpartition("//")[2]
        if ":" in place and not answers(place):
            raise _no_cluster(asked, "nobody answers there")
        return asked
    begun = Path(
        os.environ.get("RAY_TMPDIR", tempfile.gettempdir()), "ray", "ray_current_cluster"
    )  # by `ray start`
    place = begun.read_text(encoding="utf-8").strip() if begun.is_file() else ""
    return place if answers(place) else "local"


def _no_cluster(address: str, why: str) -> UserError:
    return UserError(
        f"no Ray cluster can be reached at {address!r} (RAY_ADDRESS): {why}. Look with `ray status`. This "
        "machine must be a part of the cluster: have it join by `ray start`, with 0 cores if nothing shall "
        "be trained on it (docs: A search on a cluster). Where it asks for a token, set RAY_AUTH_MODE=token "
        "here, too, and have the ~/.ray/auth_token of its first machine. Without RAY_ADDRESS the cluster of "
        "this machine is taken, or one is begun."
    )
