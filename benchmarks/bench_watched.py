"""What being watched costs a search: a hundred clients of the run server; MLflow well, dead, and slow.

    python benchmarks/bench_watched.py [--repetitions 3] [--clients 100] [WAY ...]

The digits search of `bench_search` with one worker process, `popnas search` from start to end, by the clock,
in turns:

- `alone`: its tracker is TensorBoard, as in all ways.
- `clients`: `popnas serve` on its folder; half of the clients ask for new candidates once a second, half
  follow its stream.
- `mlflow`: and a server of its own, SQLite, on loopback.
- `dies`: that server gets SIGKILL in the middle of the search.
- `slow`: its answers come ten seconds late, by a proxy before it.

Clients and servers share the machine with the search. Afterwards the journals must have equal content, and
of `mlflow` every network must be there as a finished run. At most 3 % over `alone` are demanded of each way.
CPU seconds, of the search with all its processes, say more where others use the machine, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_search import digits
from bench_server import Server
from popnas.runs import RunFolder

WAYS = ("alone", "clients", "mlflow", "dies", "slow")
LATE_SECONDS, PORT = 10.0, "127.0.0.1"


def free_port() -> int:
    with socket.socket() as found:
        found.bind((PORT, 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def mlflow_server(place: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A real one; its port and process."""
    place.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", PORT, "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(place / "artifacts"), "--serve-artifacts"]
    with (place / "log").open("w") as log:
        # What consumes the server's own jobs takes 0.4 of a core where nobody asks anything.
        idle = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        env = {**os.environ, **idle}
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=place, start_new_session=True, env=env
        )
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://{PORT}:{port}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (place / "log").read_text()
                time.sleep(0.3)
        yield port, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Background:
    """Coroutines in a thread of their own, until it is closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._cancelled(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def _cancelled(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def late_proxy(target: int) -> int:
    """Forwards to a port, and what comes back ten seconds later; its own port."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: float) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                await asyncio.sleep(late)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection(PORT, target)
        await asyncio.gather(copy(reader, before, 0), copy(behind, writer, LATE_SECONDS))

    server = await asyncio.start_server(serve, PORT, 0)
    return int(server.sockets[0].getsockname()[1])


async def client(server: Server, number: int) -> None:
    """One that asks every second, or follows; whatever there is of the run."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(PORT, server.port, limit=2**22)
            kind = "events" if number % 2 else "candidates?after=10"
            writer.write(server.head(f"/api/runs/run/{kind}"))
            while number % 2 and await reader.readline():
                pass
            if not number % 2:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
            writer.close()
        await asyncio.sleep(1.0)


@dataclass(frozen=True)
class Spent:
    """Seconds of a search by the clock and of all its processes, and what it said."""

    wall: float
    cpu: float
    output: str


def search(folder: Path, trackers: list[str], address: str | None) -> Spent:
    """`popnas search`, from start to end."""
    config = digits()
    executor = {"kind": "processes", "workers": 1}
    config["others"] = {"executor": executor, "timing": "simulated", "trackers": trackers}
    (folder / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-P", "-m", "popnas", "search", "-j", "config.json", "--name", "run"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    if address is not None:
        env["MLFLOW_TRACKING_URI"] = address
    start, before = time.perf_counter(), _cpu_of_children()
    found = subprocess.run(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    spent = Spent(time.perf_counter() - start, _cpu_of_children() - before, found.stdout)
    assert found.returncode == 0, found.stdout
    return spent


def _cpu_of_children() -> float:
    """Of those that have ended: servers count later."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(way: str, folder: Path, num_clients: int, middle: float) -> Spent:
    """A search that is watched so; `middle`: seconds after which its server dies."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        trackers, address = ["tensorboard"], None
        background = Background()
        stack.callback(background.close)
        if way == "clients":
            (folder / "logs").mkdir()
            server = Server(folder / "logs")
            stack.callback(server.process.wait)
            stack.callback(server.process.terminate)
            for number in range(num_clients):
                asyncio.run_coroutine_threadsafe(client(server, number), background.loop)
        elif way != "alone":
            port, process = stack.enter_context(mlflow_server(folder / "mlflow"))
            if way == "slow":
                port = asyncio.run_coroutine_threadsafe(late_proxy(port), background.loop).result()
            trackers, address = [*trackers, "mlflow"], f"http://{PORT}:{port}"
            if way == "dies":
                timer = threading.Timer(middle, os.killpg, (process.pid, signal.SIGKILL))
                stack.callback(timer.cancel)
                timer.start()
        spent = search(folder, trackers, address)
        if way == "mlflow":
            check(folder, str(address))
    missing = [line for line in spent.output.splitlines() if "did not get into it" in line]
    print(f"{way}: {spent.wall:.1f} s, {spent.cpu:.1f} CPU s {' '.join(missing)}", flush=True)
    return spent


def check(folder: Path, address: str) -> None:
    """Every network is a finished run there."""
    os.environ["MLFLOW_TRACKING_URI"] = address
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("popnas")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    cells = {run.data.params["cell"] for run in runs if "cell" in run.data.params}
    assert cells == {item.cell for item in RunFolder(folder / "logs" / "run").state().evaluations}
    assert {run.info.status for run in runs} == {"FINISHED"}, {run.info.status for run in runs}
    print(f"  {len(cells)} networks are whole there")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="*", metavar="WAY", default=list(WAYS))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--clients", type=int, default=100)
    arguments = parser.parse_args()
    if unknown := set(arguments.ways) - set(WAYS):
        parser.error(f"no way {', '.join(sorted(unknown))}; there are: {', '.join(WAYS)}")
    ways = list(dict.fromkeys(["alone", *arguments.ways]))
    seconds: dict[str, list[Spent]] = {way: [] for way in ways}
    contents = set()
    with tempfile.TemporaryDirectory() as place:
        for number in range(arguments.repetitions):
            for way in ways:
                folder = Path(place) / f"{way}-{number}"
                middle = seconds["alone"][0].wall / 2 if seconds["alone"] else 30.0
                seconds[way].append(once(way, folder, arguments.clients, middle))
                state = RunFolder(folder / "logs" / "run").state()
                contents.add(tuple((item.cell, item.score) for item in state.evaluations))
    assert len(contents) == 1, "searches differ"
    for way, found in seconds.items():
        told = [f"{way}:"]
        for kind in ("wall", "cpu"):
            values, alone = ([getattr(item, kind) for item in each] for each in (found, seconds["alone"]))
            median = statistics.median(values)
            told.append(f"{kind} median {median:.1f} s ({min(values):.1f} to {max(values):.1f}),")
            told.append(f"{median / statistics.median(alone) - 1:+.1%};")
        print(*told)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
