"""What all tests share."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import popnas as popnas_package

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("popnas", deadline=None)
settings.load_profile("popnas")

# A shell that starts the tests in the background lets them, and every process that they start, ignore Ctrl-C,
# nohup a closed terminal; the tests that send these signals would then wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# As where popnas is installed: remedies say `popnas`, not by which path it was started.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _tiny_config(**changes: Any) -> dict[str, Any]:
    """Digits, 120 of them; `changes` like {"others.seed": 1}."""
    config: dict[str, Any] = {
        "search_space": {"blocks": 2, "operators": ["identity", "3x3 conv"]},
        "search_strategy": {"max_children": 3, "max_exploration_children": 1},
        "training_hyperparameters": {"epochs": 1},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "batch_size": 32,
            "validation_size": 0.25,
            "samples": 120,
        },
        "others": {"timing": "simulated", "executor": {"kind": "inline"}, "train_strategy": "CPU"},
    }
    for place, value in changes.items():
        section, key = place.split(".", 1)
        config[section][key] = value
    return config


@pytest.fixture
def tiny_config() -> Callable[..., dict[str, Any]]:
    """The configuration of a search that takes seconds, with changes."""
    return _tiny_config


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives a power failure is not tested here, and waiting for the disk takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures: half of what a tiny search takes."""
    monkeypatch.setattr("popnas.report.writing._figures", lambda *_: iter(()))


@pytest.fixture
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Started:
    """A command that runs, with what the tests need of `subprocess.Popen`."""

    def __init__(self, outputs: Sequence[Path]) -> None:
        self._outputs = outputs
        self._news: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.returncode: int | None = None
        self.pid = 0

    def told(self, line: dict[str, int]) -> None:
        """Hear its pid, then its status."""
        self._news.put(line["pid"] if "pid" in line else line["status"])

    def wait_for_pid(self) -> Started:
        """Returns when the process is there."""
        self.pid = self._news.get(timeout=60)
        return self

    def poll(self) -> int | None:
        """See `Popen.poll`."""
        if self.returncode is None and not self._news.empty():
            self.returncode = self._news.get()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """See `Popen.send_signal`."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """See `Popen.kill`."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 60.0) -> tuple[str, str]:
        """See `Popen.communicate`."""
        if self.returncode is None:
            self.returncode = self._news.get(timeout=timeout)
        output, errors = (path.read_text() for path in self._outputs)
        return output, errors


class WarmProcess:
    """See `warm.py`; `environment`: what it and its commands have beside that of the tests."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._started: list[Started] = []
        self._environment = {**(environment or {}), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        draws: bool = True,
        asked: Sequence[Sequence[str]] = (),
    ) -> Started:
        """Run `popnas ARGUMENTS` in `folder`; unless it `draws`, reports have no figures.

        `asked`: instead, several short commands in one process, which prints their statuses and outputs.
        """
        outputs = [folder / f".{name}-{len(self._started)}" for name in ("stdout", "stderr")]
        for path in outputs:
            path.touch()
        request = {
            "number": len(self._started),
            "arguments": [str(Path(popnas_package.__file__).with_name("__main__.py")), *arguments],
            "folder": str(folder),
            "draws": draws,
            "asked": asked,
            "environment": {**os.environ, **self._environment, "COLUMNS": "200"},
            "stdout": str(outputs[0]),
            "stderr": str(outputs[1]),
        }
        started = Started(outputs)
        self._started.append(started)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return started.wait_for_pid()

    def end(self) -> None:
        """Commands that still run are left alone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                told = json.loads(line)
                self._started[told.pop("number")].told(told)


@pytest.fixture(scope="session")
def warm_with() -> Iterator[Callable[[Mapping[str, str]], WarmProcess]]:
    """Make a process that starts commands quickly, in an environment with something more."""
    made: list[WarmProcess] = []

    def make(environment: Mapping[str, str]) -> WarmProcess:
        made.append(WarmProcess(environment))
        return made[-1]

    yield make
    for process in made:
        process.end()


@pytest.fixture(scope="session")
def warm(warm_with: Callable[[Mapping[str, str]], WarmProcess]) -> WarmProcess:
    """One for all tests of a worker."""
    return warm_with({})
