"""A search in a real MLflow server: SQLite, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from popnas import search
from popnas.errors import MissingExtraError, UserError
from popnas.events import Warned
from popnas.trackers import REGISTRY, Scope, TrackedNetwork, Trackers, _thread

DOCUMENT: dict[str, Any] = {
    "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["identity", "1x1 conv"]},
    "training_hyperparameters": {"epochs": 2, "optimizer": {"scheduler": None}},
    "architecture_hyperparameters": {"filters": 2, "motifs": 1, "normal_cells_per_motif": 1},
    "dataset": {
        "type": "image_classification",
        "name": "digits",
        "samples": 80,
        "batch_size": 16,
        "validation_size": 0.25,
    },
    "others": {"timing": "simulated", "executor": {"kind": "inline"}, "trackers": ["tensorboard", "mlflow"]},
}
needs_server = pytest.mark.skipif(
    find_spec("mlflow") is None or find_spec("flask_cors") is None, reason="needs mlflow with its server"
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    address = f"http://127.0.0.1:{(port := free_port())}"
    place, log = tmp_path / "mlflow", tmp_path / "mlflow.log"
    place.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(place / "artifacts"), "--serve-artifacts"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=place,
            start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )
    try:
        until = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.2)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield address
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(10)


@pytest.mark.slow
@needs_server
@pytest.mark.filterwarnings("default")
def test_a_search_is_whole_there_and_once(server: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(_thread, "_LEAST_PATIENCE_SECONDS", 60.0)  # a busy machine is no slow server
    from mlflow import MlflowClient

    told: list[Any] = []
    folder = search(DOCUMENT, logs=tmp_path, name="first", tell=told.append).folder
    assert [event.text for event in told if isinstance(event, Warned) and "log of" in event.text] == []
    client = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("popnas")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    (parent,) = (run for run in runs if run.data.tags["popnas.kind"] == "run")
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    from popnas.runs import RunFolder

    evaluations = RunFolder(folder).state().evaluations
    assert len(nested) == len(evaluations) == len(runs) - 1
    assert {run.data.params["cell"] for run in nested} == {item.cell for item in evaluations}
    assert {run.info.status for run in runs} == {"FINISHED"}
    by_cell = {item.cell: item for item in evaluations}
    for run in nested:
        assert run.data.metrics["score"] == pytest.approx(by_cell[run.data.params["cell"]].score)
        history = client.get_metric_history(run.info.run_id, "validation/accuracy")
        assert [point.step for point in history] == [1, 2]
        assert "summary.txt" in {item.path for item in client.list_artifacts(run.info.run_id)}
    assert parent.data.params["search_space.blocks"] == "1"
    assert len(client.get_metric_history(parent.info.run_id, "score")) == len(evaluations)
    plots = {item.path for item in client.list_artifacts(parent.info.run_id, "plots")}
    assert "plots/step_overview.png" in plots
    (version,) = client.search_model_versions("name = 'popnas-first'")
    assert version.run_id == parent.info.run_id

    import mlflow.onnx

    mlflow.set_tracking_uri(server)
    model = mlflow.onnx.load_model("models:/popnas-first/1")
    assert model.graph.node
    # Told again, as a search that goes on tells it: nothing stands there twice.
    scope = Scope("run", folder, run=parent.data.tags["popnas.run"], name="first")
    with Trackers(["mlflow"], scope) as again:
        for item in evaluations:
            again.network(
                TrackedNetwork(
                    f"B{item.step}/{item.index}", {"cell": item.cell}, {"score": item.score or 0.0}
                )
            )
        again.artifact(folder)
        again.status("completed")
    assert again.failures == {}
    assert len(client.search_runs([experiment.experiment_id], max_results=100)) == len(runs)
    assert len(client.search_model_versions("name = 'popnas-first'")) == 1


@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs mlflow")
@pytest.mark.filterwarnings("default")
def test_a_server_that_is_not_there_neither_stops_nor_slows(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:geheim@127.0.0.1:{free_port()}")
    trackers = Trackers(["mlflow"], Scope("run", tmp_path, run="r", name="n"))
    began = time.monotonic()
    for step in range(1, 1000):
        trackers.metrics({"score": 0.5}, step)
    assert time.monotonic() - began < 5.0  # a thousandth of that for each
    trackers.close()
    assert "999 of 999 messages did not get into it" in trackers.failures["mlflow"]
    assert "does not answer: connection refused" in trackers.failures["mlflow"]
    assert "geheim" not in trackers.failures["mlflow"]


def test_it_says_what_it_needs_before_anything_is_done(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    expected = UserError if find_spec("mlflow") else MissingExtraError
    with pytest.raises(expected, match=r"MLFLOW_TRACKING_URI|popnas\[mlflow\]"):
        search(DOCUMENT, logs=tmp_path, name="none")
    assert not (tmp_path / "none").exists()
    assert REGISTRY.get("mlflow").is_remote
