"""A real server in a thread, and requests as anybody may send them, byte by byte."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from popnas.cells import SearchSpace
from popnas.evaluation import Evaluation
from popnas.runs import RunFolder
from popnas.server.access.guard import Guard
from popnas.server.access.sessions import Sessions
from popnas.server.access.settings import ServerSettings
from popnas.server.app import create, server_of
from popnas.server.services import Services

TOKEN = "a-token-of-the-tests-0123456789"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A server to talk to. `root` is its folder of runs."""

    services: Services
    guard: Guard
    port: int
    server: uvicorn.Server

    @property
    def root(self) -> Path:
        return self.services.settings.root

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """A request as the bearer of the token; headers that are "" are left out."""
        sent = {"Host": f"localhost:{self.port}", "Authorization": f"Bearer {TOKEN}", **(headers or {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent = {"Content-Type": "application/json", **sent, "Content-Length": str(len(data))}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(data)
            found = connection.getresponse()
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()


class _Errors(logging.Handler):
    """What the server had to say of itself."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


def served(settings: ServerSettings) -> Iterator[Served]:
    """A server in a thread; nothing that it was asked has made it stumble."""
    errors = _Errors()
    logging.getLogger("uvicorn.error").addHandler(errors)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        services = Services.of(
            replace(settings, token=TOKEN), Sessions(TOKEN, port, settings.state / "sessions.json")
        )
        app = create(services, settings.allowed_hosts(port))
        server = server_of(app, services)
        server.config.timeout_graceful_shutdown = 1
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.02)
            assert thread.is_alive()
        yield Served(services, app, port, server)
        server.should_exit = True
        thread.join(20)
        logging.getLogger("uvicorn.error").removeHandler(errors)
        assert not thread.is_alive()
        assert errors.told == []


@pytest.fixture
def server(tmp_path: Path, quick_disk: None) -> Iterator[Served]:
    yield from served(ServerSettings(tmp_path / "logs"))


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests of a module, with a run."""
    root = tmp_path_factory.mktemp("shared") / "logs"
    for one in served(ServerSettings(root)):
        make_run(root / "first")
        yield one


OPERATORS = ("identity", "3x3 conv", "3x3 dconv", "2x2 maxpool")


def evaluations(count: int, seed: int = 0) -> list[Evaluation]:
    """Of so many different cells of up to 3 blocks."""
    rng = np.random.default_rng(seed)
    space, cells = SearchSpace(OPERATORS, lookback_depth=2, num_blocks=3), dict[str, int]()
    while len(cells) < count:
        step = int(rng.integers(1, 4))
        cells |= {cell.key: step for cell in space.decode(space.random_cells(max(20, count // 4), step, rng))}
    counts: dict[int, int] = {}
    found = []
    for text, step in list(cells.items())[:count]:
        index = counts[step] = counts.get(step, -1) + 1
        score = float(rng.random())
        found.append(
            Evaluation(
                text,
                step,
                index,
                False,
                7,
                {"accuracy": score},
                score,
                float(rng.random()),
                0.01,
                int(rng.integers(10**6)),
                1000,
                volatile={"wall_seconds": 2.0, "epochs_seconds": 1.0},
            )
        )
    return found


def make_run(place: Path, count: int = 12, seed: int = 0, **dataset: Any) -> RunFolder:
    """A run's folder with so many evaluations in its journal."""
    config = {
        "search_space": {"blocks": 3, "operators": list(OPERATORS), "lookback_depth": 2},
        "search_strategy": {"score_metric": "accuracy", "additional_pareto_objectives": ["time"]},
        "dataset": {"type": "image_classification", "name": "digits", **dataset},
        "others": {"seed": seed},
    }
    folder = RunFolder.create(place, config)
    with pytest.MonkeyPatch.context() as patch, folder.journal as journal:
        patch.setattr(
            os, "fsync", lambda handle: None
        )  # which takes most of the time, and guards against nothing
        for item in evaluations(count, seed):
            journal.append("evaluation", item.content(), dict(item.volatile))
    return folder


class ServeProcess:
    """`popnas serve` as a process of its own."""

    def __init__(self, root: Path, *options: str) -> None:
        command = [str(Path(sys.executable).with_name("popnas")), "serve", str(root), "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.address, _, self.token = line.split()[1].partition("/#token=")

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A server with two runs, for pages to look at; `root` is its folder of runs."""
    root = tmp_path_factory.mktemp("page") / "logs"
    make_run(root / "one", 60, seed=1)
    make_run(root / "two", 60, seed=2)
    found = ServeProcess(root)
    found.root = root  # type: ignore[attr-defined]
    yield found
    found.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser(process: ServeProcess) -> Iterator[Any]:
    """A browser that is logged in there."""
    from .browser import Browser  # without Selenium its tests are left out

    found = Browser(process.address)
    found.open(f"#token={process.token}")
    found.the("h2", "one")
    yield found
    found.driver.quit()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """The same for one test, in which it has nothing to complain of."""
    browser.sized(1280, 900)
    browser.complaints()
    yield browser
    assert browser.complaints() == []


def streamed(
    server: Served, path: str, headers: dict[str, str] | None = None
) -> Iterator[tuple[str, str, Any]]:
    """The events of a stream: kind, id, data."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    given = {"Host": f"localhost:{server.port}", "Authorization": f"Bearer {TOKEN}", **(headers or {})}
    try:
        connection.request("GET", path, headers=given)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("content-type").startswith("text/event-stream")
        fields: dict[str, str] = {}
        while line := answer.fp.readline():
            # Chunked: lines that are no field are sizes.
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name in ("event", "id", "data"):
                fields[name] = value
            elif not line.strip() and "data" in fields:
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
                fields = {}
    finally:
        connection.close()


def until(events: Iterator[tuple[str, str, Any]], kind: str) -> tuple[str, Any]:
    return next((mark, data) for found, mark, data in events if found == kind)
