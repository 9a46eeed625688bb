"""The adapter to Neptune, in its offline mode where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from popnas.errors import UserError
from popnas.trackers import EPOCHS_FILE, REGISTRY, Scope, TrackedNetwork, Trackers, _thread, check


@pytest.mark.skipif(find_spec("neptune") is None, reason="needs neptune")
@pytest.mark.filterwarnings("default")
def test_offline(monkeypatch, tmp_path):
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 60.0)  # importing it takes long on a busy machine
    monkeypatch.chdir(tmp_path)
    for name, value in {"API_TOKEN": "ANONYMOUS", "WORKSPACE": "mine", "MODE": "offline"}.items():
        monkeypatch.setenv(f"NEPTUNE_{name}", value)
    check(["neptune"])
    with Trackers(["neptune"], Scope("run", tmp_path, run="r", name="first")) as trackers:
        trackers.params({"a": {"b": 1}})
        trackers.metrics({"score": 0.5}, 1)
        (tmp_path / EPOCHS_FILE).write_text("validation/accuracy\n0.25\n")
        network = TrackedNetwork(1, "B1/0", {"cell": "[]"}, {"score": 0.5}, tmp_path)
        trackers.networks([network], lambda item: item)
        trackers.artifact(tmp_path / EPOCHS_FILE)
        trackers.status("completed")
    assert trackers.failures == {}
    written = b"".join(path.read_bytes() for path in (tmp_path / ".neptune").rglob("*.log"))
    assert b"networks" in written and b"B1" in written and b"accuracy" in written


LEFT_BEHIND = """
import neptune
from pathlib import Path
from popnas.trackers import REGISTRY, Scope

stop = neptune.Run.stop
def told(run, *, seconds=None):
    print("state", run.get_state(), "waits", seconds)
    stop(run, seconds=seconds)
neptune.Run.stop = told
REGISTRY.get("neptune")(Scope("run", Path("run"))).metrics({"score": 0.5}, 1)
"""


@pytest.mark.skipif(find_spec("neptune") is None, reason="needs neptune")
def test_a_program_that_leaves_it_behind_does_not_wait_for_it(tmp_path):
    settings = {"API_TOKEN": "ANONYMOUS", "WORKSPACE": "mine", "MODE": "offline"}
    environment = {**os.environ, **{f"NEPTUNE_{name}": value for name, value in settings.items()}}
    command = [sys.executable, "-c", LEFT_BEHIND]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    states = [line for line in done.stdout.splitlines() if line.startswith("state")]
    # Neptune's own wait has no limit, and finds nothing left to wait for.
    assert states == ["state started waits 0", "state stopped waits None"]


def test_it_says_what_it_needs(monkeypatch):
    for name in ("NEPTUNE_API_TOKEN", "NEPTUNE_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"pip install neptune|NEPTUNE_API_TOKEN is not set"):
        REGISTRY.get("neptune").check()
