"""Tiny searches: digits, a few samples, networks of a second; and the command line as users call it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyte
import pytest


def tiny_config(**changes: Any) -> dict[str, Any]:
    """A search of about twenty networks in a few seconds; `changes` like {"search_space.blocks": 3}."""
    config: dict[str, Any] = {
        "search_space": {"blocks": 2, "lookback_depth": 2, "operators": ["identity", "3x3 conv"]},
        "search_strategy": {"max_children": 3, "max_exploration_children": 0},
        "training_hyperparameters": {"epochs": 1, "learning_rate": 0.01},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "batch_size": 32,
            "validation_size": 0.25,
            "samples": 160,
        },
        "others": {"timing": "simulated", "executor": {"kind": "inline"}},
    }
    for place, value in changes.items():
        section, key = place.split(".", 1)
        config[section][key] = value
    return config


class CommandLine:
    """`popnas` in a folder of its own."""

    def __init__(self, folder: Path, warm: Any) -> None:
        self.folder = folder
        self._warm = warm

    def write_config(self, name: str = "config.json", **changes: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(tiny_config(**changes)))
        return path

    def start(self, *arguments: object, draws: bool = False) -> Any:
        return self._warm.start([str(argument) for argument in arguments], self.folder, draws=draws)

    def run(self, *arguments: object, status: int = 0, draws: bool = False) -> str:
        """Standard output of a call that must end with `status`; its standard error is kept in `errors`."""
        process = self.start(*arguments, draws=draws)
        output, self.errors = process.communicate(timeout=180)
        assert process.returncode == status, f"exit {process.returncode}\n{output}\n{self.errors}"
        return output


@pytest.fixture
def popnas(tmp_path: Path, warm: Any) -> CommandLine:
    return CommandLine(tmp_path, warm)


@pytest.fixture(scope="session")
def searched_run(tmp_path_factory: pytest.TempPathFactory, warm: Any) -> Path:
    """The folder of a finished tiny search, made once: copy it before anything is written into it."""
    popnas = CommandLine(tmp_path_factory.mktemp("searched"), warm)
    popnas.run("search", "-j", popnas.write_config(), "--name", "run", draws=True)
    return popnas.folder / "logs" / "run"


@pytest.fixture
def copied(popnas: CommandLine, searched_run: Path) -> Callable[[str], Path]:
    """Make a copy of a finished search in the test's `logs`, with a name."""

    def copy(name: str) -> Path:
        return shutil.copytree(searched_run, popnas.folder / "logs" / name)

    return copy


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    return tiny_config


class Terminal:
    """A command on a terminal of `columns` columns, and what one sees there.

    `screens`: every different screen as lines, in order; the spinner and the clock's seconds apart.
    """

    ROWS = 40

    def __init__(self, arguments: Sequence[object], folder: Path, columns: int, **environment: str) -> None:
        self.screen = pyte.HistoryScreen(columns, self.ROWS, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self.screens: list[list[str]] = []
        self._written = b""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", self.ROWS, columns, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "popnas", *map(str, arguments)],
            cwd=folder,
            env={**inherited, "OMP_NUM_THREADS": "1", "TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._descriptor = ours

    def watch(self, until: str | None = None, seconds: float = 180.0) -> int | None:
        """Watch until the command ends, or `until` is seen; the exit status, None if it still runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self._descriptor], [], [], 0.1)[0]:
                try:
                    data = os.read(self._descriptor, 4096)
                except OSError:  # the other end is closed
                    data = b""
                if not data:
                    os.close(self._descriptor)
                    return self.process.wait(30)
                self._written += data
                # One drawing may replace another within what is read at once.
                for part in re.split(rb"(?=\x1b\[2K)", data):
                    self._stream.feed(part)
                    self._keep()
            if until is not None and until in "\n".join(self.screens[-1] if self.screens else []):
                return None
        raise AssertionError(f"after {seconds} s:\n" + "\n".join(self.lines()))

    def press(self, key: bytes) -> None:
        """As if it was typed: b"\\x03" is Ctrl-C."""
        os.write(self._descriptor, key)

    def lines(self) -> list[str]:
        """All lines from the first to the last, those that were scrolled away too."""
        columns = self.screen.columns
        gone = ["".join(line[column].data for column in range(columns)) for line in self.screen.history.top]
        return [line.rstrip() for line in [*gone, *self.screen.display]]

    def text(self) -> str:
        """What was printed, with the lines that the terminal broke joined again."""
        columns = self.screen.columns
        joined = "".join(line if len(line) == columns else f"{line}\n" for line in self.lines())
        return joined.rstrip("\n") + "\n"

    def written(self) -> list[str]:
        """The lines as the command wrote them, bars too, without what moves the cursor or colours."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._written.decode(errors="replace"))
        return [line.rstrip() for line in re.split(r"[\r\n]+", text)]

    def words(self) -> str:
        """What was printed, as one line with single spaces: as it is told, however it was wrapped."""
        return " ".join(self.text().split())

    def _keep(self) -> None:
        shown = [line.rstrip() for line in self.screen.display]
        if not self.screens or shown != self.screens[-1]:
            self.screens.append(shown)


@pytest.fixture
def terminal(tmp_path: Path) -> Callable[..., Terminal]:
    def start(*arguments: object, columns: int = 80, **environment: str) -> Terminal:
        return Terminal(arguments, tmp_path, columns, **environment)

    return start


@pytest.fixture
def execute_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Executes a notebook in place with a kernel of this interpreter; returns how often something that was
    displayed was replaced."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"])
    monkeypatch.setattr(AsyncKernelManager, "kernel_spec", property(lambda self: spec))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined]
        num_updates = 0

        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            self.num_updates += msg["msg_type"] == "update_display_data"
            return super().process_message(msg, cell, cell_index)

    def execute(notebook: Any, seconds: int = 200) -> int:
        client = Client(notebook, timeout=seconds, resources={"metadata": {"path": str(tmp_path)}})
        client.execute()
        return int(client.num_updates)

    return execute
