"""Where the blocks of pages are run: in the page's folder or a clone, with what stands beside them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy
import psutil

from . import made_data
from .pages import ROOT, Block

_STAND_INS = Path(__file__).parent / "stand_ins"
_PATIENCE_SECONDS = 180
_VERSIONS_TESTED = "tests/unit/test_ranking.py tests/unit/pareto"
"""What `make test-newest` and `test-lowest` run here: the rest takes half an hour."""


def as_run(block: Block, folder: Path) -> str:
    """A block's text, with the replacements and sizes that its comments say."""
    text = block.text
    for old, new in block.replaced:
        text = text.replace(old, new)
    if block.is_small:
        made_data.one_epoch(folder)
        small = [_small(line) for line in text.splitlines()]
        assert small != text.splitlines(), f"line {block.line}: nothing in it has a size"
        text = "\n".join(small)
    return text


def _small(line: str) -> str:
    words = re.split(r"\bpopnas (search|plan|e2e)\b", line, maxsplit=1)
    if len(words) == 1:
        return line
    before, command, rest = words
    given, hash_sign, comment = rest.partition(" #")
    sizes = shlex.join(made_data.SIZES[command])
    return f"{before}popnas {command} {given} {sizes}{hash_sign}{comment}"


def place_of(block: Block, folder: Path, ending: ExitStack) -> tuple[Path, dict[str, str]]:
    """The folder and the environment of a block's shell."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1"}
    if "ray start" in block.text:
        environment["RAY_TMPDIR"] = ending.enter_context(_cluster())
    if not block.place:
        return folder, environment
    clone = folder / "clone"
    if not clone.exists():
        _clone(clone)
        for made in [*folder.iterdir()]:
            if made != clone:
                (clone / made.name).symlink_to(made)
    path = [str(clone / ".venv" / "bin"), environment["PATH"]]
    if block.stand_in:
        assert os.access(_STAND_INS / block.stand_in, os.X_OK)
        path.insert(0, str(_STAND_INS))
        ending.callback(_end_container, clone / "started.json")
    environment["PATH"] = os.pathsep.join(path)
    if block.place == "a clone with an index":
        del environment["PIP_NO_INDEX"]
        environment["MAKEFLAGS"] = "-- WITH_VERSIONS=" + _VERSIONS_TESTED.replace(" ", "\\ ")
    else:
        # For pip of the clone's environment all is there that is here; what pages ask of it is still checked.
        environment |= {
            "PYTHONPATH": str(Path(numpy.__file__).parents[1]),
            "PIP_NO_BUILD_ISOLATION": "0",
        }
    return clone, environment


def _clone(to: Path) -> None:
    """What git has of this checkout, as it lies here."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((ROOT / name).read_bytes())


def in_shell(text: str, place: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and output."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def listening(text: str, url: str, folder: Path) -> Iterator[None]:
    """Something started as typed, that answers; ended as by Ctrl-C."""
    with socket.socket() as taken:
        port = urlsplit(url).port
        assert taken.connect_ex(("127.0.0.1", port)) != 0, f"something else listens at {url}"
    output = folder / f"listening-{port}.txt"
    with output.open("w") as stream:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not _answers(url):
            assert process.poll() is None and time.monotonic() < until, output.read_text()
            time.sleep(0.5)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
            raise AssertionError(f"Ctrl-C does not end {text}") from None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end_container(started: Path) -> None:
    if started.is_file():
        os.killpg(int(started.read_text()), signal.SIGTERM)


@contextmanager
def _cluster() -> Iterator[str]:
    """A folder for Ray, whose processes are known by it; all are ended."""
    with tempfile.TemporaryDirectory(prefix="r-", ignore_cleanup_errors=True) as folder:
        try:
            yield folder
        finally:
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    if process.environ().get("RAY_TMPDIR") == folder:
                        process.kill()
