"""The adapter to Neptune, in its offline mode where it is installed."""

from __future__ import annotations

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


def test_it_says_what_it_needs(monkeypatch):
    for name in ("NEPTUNE_API_TOKEN", "NEPTUNE_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"pip install neptune|NEPTUNE_API_TOKEN is not set"):
        REGISTRY.get("neptune").check()
