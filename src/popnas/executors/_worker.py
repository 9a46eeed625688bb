"""The worker process: `setup` once, then `evaluate` per job, until the driver says stop or is gone.

It is a fresh interpreter that runs only this module, so it needs no guard in the user's script, inherits no
threads, locks or open files, and cannot run the driver's main module a second time. Everything it prints goes
to the log file.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from functools import partial
from typing import Any

from popnas.executors import _telling
from popnas.executors._base import NO_VERDICT, checked, failure, passed_on, resolve
from popnas.executors._channel import Channel
from popnas.executors._lost_device import DeviceLostError, lost_device
from popnas.executors._messages import Advanced, Answer, Ended, Handed, Ready, SetupFailed, Stop, packed
from popnas.executors._orders import Order, Surroundings
from popnas.executors._telling import Misread, Progress
from popnas.executors._warnings import GATHERED
from popnas.printable import without_secrets
from popnas.records import Json

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_MS = 500
_IDLE_END_SECONDS = 1.0


def main(settings: Json) -> None:
    """Entry point; `settings` are `Surroundings`, by way of a bootstrap that has set `sys.path`."""
    given = Surroundings.from_json(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    faulthandler.enable()
    sys.stdout, sys.stderr = _Starred(1), _Starred(2)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("popnas").setLevel(logging.INFO)  # what is decided in a worker stands in the run's log
    connection = socket.socket(fileno=given.fd)
    connection.set_inheritable(False)
    channel = Channel(connection)
    life = _Lifeline(connection, given.driver, given.is_main_thread)
    _pin(given.cores)
    status = 0
    try:
        _serve(channel, life)
    except OSError:  # the driver is gone
        pass
    except DeviceLostError as error:  # the driver starts another worker and has the job tried again
        status = 1
        with contextlib.suppress(OSError):
            print(error, file=sys.stderr)  # noqa: T201 - its last words
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # nothing is left to save, and finalising torch takes time


def _serve(channel: Channel, life: _Lifeline) -> None:
    order = channel.receive()
    if order is None:
        return
    try:
        context, function = set_up(Order.from_json(order))
    except BaseException as error:
        name = passed_on(error)
        if name is not None:
            channel.send(packed(Stop(name, str(error))))
            return
        summary = without_secrets(f"{type(error).__name__}: {error}")
        channel.send(packed(SetupFailed(summary, without_secrets(traceback.format_exc()))))
        return
    channel.send(packed(Ready(warnings=GATHERED.take())))
    while True:
        life.is_busy = False
        message = channel.receive()
        if message is None:
            return
        life.is_busy = True
        with _telling.heard_by(partial(_pass_on, channel)):
            answer = evaluate(function, context, Handed.from_json(message).payload)
        channel.send(packed(answer))


class _Starred(io.TextIOWrapper):
    """A stream of the worker, which goes into the run's log: without secrets, as far as Python writes it."""

    def __init__(self, descriptor: int) -> None:
        raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - the process's own, to its end
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", write_through=True)

    def write(self, text: str) -> int:
        """Write at once: what was printed before a crash is there."""
        super().write(without_secrets(text))
        self.flush()
        return len(text)


def _pass_on(channel: Channel, progress: Progress | Misread) -> None:
    channel.send(packed(Advanced(progress)))


def set_up(order: Order) -> tuple[Any, Any]:
    """The context that the setup function gives, and the evaluate function."""
    GATHERED.begin()
    evaluate = resolve(order.work.evaluate)
    context = resolve(order.work.setup)(order.work.payload, order.worker)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(order.threads)
    return context, evaluate


def evaluate(function: Any, context: Any, payload: Json) -> Answer:
    """What became of one job.

    Raises:
        DeviceLostError: the process must end, and the job be tried in another.
    """
    try:
        value = checked(function(context, payload))
        return Ended(value, warnings=GATHERED.take())
    except BaseException as error:  # also SystemExit: one candidate must not end the worker
        name = passed_on(error)
        if name is not None and isinstance(error, NO_VERDICT):
            return Stop(name, str(error))
        why = failure(error)
        with contextlib.suppress(OSError):  # standard error is the log file; the disk may be full
            print(why.traceback, file=sys.stderr)  # noqa: T201
        if (lost := lost_device(error)) is not None:
            raise lost from None
        return Ended(None, why, GATHERED.take())


def _pin(cores: list[int]) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # the allowed set may have changed meanwhile
            os.sched_setaffinity(0, cores)


class _Lifeline:
    """Ends the worker when the driver is gone, also in the middle of a job.

    Two ways: the kernel's death signal (Linux; it fires when the *thread* that started us ends, so it is
    asked for only if that was the driver's main thread), and a thread that watches the connection and the
    parent's pid.
    """

    def __init__(self, connection: socket.socket, driver: int, is_main_thread: bool) -> None:
        self.is_busy = True
        self._connection = connection
        self._driver = driver
        if sys.platform == "linux" and is_main_thread:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != driver:
            _end()
        threading.Thread(target=self._watch, name="popnas-lifeline", daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._connection.fileno(), getattr(select, "POLLRDHUP", select.POLLHUP))
        while os.getppid() == self._driver and not poll.poll(_PARENT_CHECK_MS):
            pass
        if not self.is_busy:
            time.sleep(_IDLE_END_SECONDS)  # the main thread sees the end by itself and leaves in order
        _end()


def _end() -> None:
    """End this process and what it started: it leads a session of its own."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
