"""The run server: a journal of 50,000 evaluations opened, what a new event costs, and a hundred clients.

    python benchmarks/bench_server.py [--evaluations N] [--seconds S] [--clients N]

`popnas serve` runs in a process of its own; its CPU seconds are told beside the wall seconds, as the latter
say as much about what else the machine does. Half of the clients ask for new candidates once a second,
half follow its stream, while an event comes twice a second; every stream must have got every one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from bench_journal import evaluation, make
from popnas.runs import RunFolder

TICK = os.sysconf("SC_CLK_TCK")
EVENT_SECONDS = 0.5
NUM_WATCHED = 20


class Server:
    """`popnas serve`, and how to ask it."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-P", "-m", "popnas", "serve", str(root), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        address, _, self.token = self.process.stdout.readline().split()[1].partition("/#token=")
        self.port = int(address.rpartition(":")[2])

    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def get(self, path: str) -> bytes:
        """The body of an answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            body: bytes = answer.read()
        return body

    def head(self, path: str) -> bytes:
        """A request as bytes."""
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Authorization: Bearer {self.token}",
        )
        return "\r\n".join([*lines, "", ""]).encode()


def opened(server: Server, count: int) -> None:
    """The first look at a run as soon as the server is there, and all of its candidates as the page gets
    them."""
    start, before = time.perf_counter(), server.cpu_seconds()
    (found,) = json.loads(server.get("/api/runs"))["runs"]
    print(f"list of runs, with {found['num_networks']:,}: {time.perf_counter() - start:.2f} s wall")
    rows = asyncio.run(first_rows(server))
    print(f"first {rows:,} candidates by the stream: {time.perf_counter() - start:.2f} s wall")
    while found["state"] == "reading":
        (found,) = json.loads(server.get("/api/runs"))["runs"]
    assert found["num_networks"] == count, found
    wall, spent = time.perf_counter() - start, server.cpu_seconds() - before
    print(f"all is read: {wall:.2f} s wall, {spent:.2f} s CPU")
    start, before, rows, size = time.perf_counter(), server.cpu_seconds(), 0, 0
    while rows < count:
        body = server.get(f"/api/runs/run/candidates?after={rows}&limit=10000")
        size += len(body)
        rows = json.loads(body)["next"]
    wall, spent = time.perf_counter() - start, server.cpu_seconds() - before
    print(f"all candidates, {size / 2**20:.1f} MiB: {wall:.2f} s wall, {spent:.2f} s CPU")


async def first_rows(server: Server) -> int:
    """Until candidates come to one who follows; how many."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**22)
    writer.write(server.head("/api/runs/run/events"))
    kind = line = b""
    while not (kind == b"candidates" and line.startswith(b"data: ")):
        line = await reader.readline()
        if line.startswith(b"event: "):
            kind = line[7:].strip()
    writer.close()
    return len(json.loads(line[6:]))


def events(server: Server, run: RunFolder, count: int) -> None:
    """CPU seconds of the server from one event to the next answer that has it."""
    rng, walls = np.random.default_rng(1), []
    cells = [item.cell for item in run.state().arrived[:1]]
    before = server.cpu_seconds()
    with run.journal as journal:
        for number in range(NUM_WATCHED):
            item = evaluation(f"{cells[0][:-1]};(-1, identity, {number}, identity)]", number, rng)
            journal.append("evaluation", {**item.content(), "step": 6}, item.volatile)
            start = time.perf_counter()
            found = json.loads(server.get(f"/api/runs/run/candidates?after={count + number}"))
            walls.append(time.perf_counter() - start)
            assert found["total"] == count + number + 1, found["total"]
    spent = (server.cpu_seconds() - before) / NUM_WATCHED
    print(f"a new event: {1e3 * statistics.median(walls):.1f} ms wall, {1e3 * spent:.1f} ms CPU")


async def polls(server: Server, seconds: float, waits: list[float]) -> None:
    """One client that asks once a second."""
    end = time.perf_counter() + seconds
    await asyncio.sleep(np.random.default_rng().random())
    while time.perf_counter() < end:
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(server.head("/api/runs/small/candidates?after=10"))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        await reader.readexactly(length)
        waits.append(time.perf_counter() - start)
        writer.close()
        await asyncio.sleep(max(0.0, 1.0 - (time.perf_counter() - start)))


async def follows(server: Server, wanted: int, seen: list[int]) -> None:
    """One client that follows the stream until it has all candidates."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**22)
    writer.write(server.head("/api/runs/small/events"))
    found: list[int] = []
    kind = b""
    while len(found) < wanted:
        line = await asyncio.wait_for(reader.readline(), 60)
        if line.startswith(b"event: "):
            kind = line[7:].strip()
        elif line.startswith(b"data: ") and kind == b"candidates":
            found += [row[0] for row in json.loads(line[6:])]
    writer.close()
    assert found == list(range(wanted)), "an event was lost, or came twice"
    seen.append(len(found))


async def clients(server: Server, run: RunFolder, seconds: float, number: int) -> None:
    """Half of them poll, half follow, while events come."""
    rng, waits, seen = np.random.default_rng(2), list[float](), list[int]()
    first, count = len(run.state().arrived), int(seconds / EVENT_SECONDS)
    tasks = [asyncio.create_task(polls(server, seconds, waits)) for _ in range(number // 2)]
    tasks += [asyncio.create_task(follows(server, first + count, seen)) for _ in range(number // 2)]
    before, start = server.cpu_seconds(), time.perf_counter()
    with run.journal as journal:
        for index in range(count):
            item = evaluation(
                "[" + ";".join(["(-1, identity, -1, identity)"] * (index + 6)) + "]", index, rng
            )
            await asyncio.to_thread(
                journal.append, "evaluation", {**item.content(), "step": 6}, item.volatile
            )
            await asyncio.sleep(max(0.0, start + (index + 1) * EVENT_SECONDS - time.perf_counter()))
    await asyncio.gather(*tasks)
    spent = (server.cpu_seconds() - before) / (time.perf_counter() - start)
    waits.sort()
    print(
        f"{number} clients, {len(waits):,} polls: median {1e3 * waits[len(waits) // 2]:.1f} ms, p95 "
        f"{1e3 * waits[int(0.95 * len(waits))]:.1f} ms; {len(seen)} streams with all {first + count} events; "
        f"the server used {spent:.2f} of a core; load {os.getloadavg()[0]:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "logs"
        make(root / "run", arguments.evaluations)
        server = Server(root)
        try:
            opened(server, arguments.evaluations)
            events(server, RunFolder.open(root / "run"), arguments.evaluations)
            make(root / "small", 50)
            asyncio.run(clients(server, RunFolder.open(root / "small"), arguments.seconds, arguments.clients))
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
