"""A search in a real MLflow server: SQLite, on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from popnas import search
from popnas.errors import MissingExtraError, UserError
from popnas.events import CandidateFinished, JobEvent, Listen, Warned
from popnas.runs import RunFolder
from popnas.trackers import EPOCHS_FILE, REGISTRY, Scope, TrackedNetwork, Trackers, UnreachableError, _thread

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


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    address = f"http://127.0.0.1:{(port := free_port())}"
    place = tmp_path_factory.mktemp("mlflow")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(place / "artifacts"), "--serve-artifacts"]
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (log := place / "log").open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=place, start_new_session=True, env=env
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
        yield address
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(10)


@pytest.fixture
def server(started: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", started)
    return started


def runs_of(server: str, run: str) -> tuple[Any, list[Any]]:
    """The run of a search, None without one, and those of its networks or trainings."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("popnas")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    parent = next((item for item in found if item.info.run_name == run), None)
    if parent is None:
        return None, [item for item in found if item.data.tags["popnas.run"] == run]
    return parent, [item for item in found if item.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def steps_of(server: str, run: Any, figure: str) -> list[int]:
    from mlflow import MlflowClient

    history = MlflowClient(tracking_uri=server).get_metric_history(run.info.run_id, figure)
    return sorted(point.step for point in history)


def interrupting(after: int) -> Listen:
    """Ends a search, as Ctrl-C does, when so many candidates are done."""
    left = [after]

    def hear(event: JobEvent) -> None:
        if isinstance(event, CandidateFinished):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

    return hear


@pytest.mark.slow
@needs_server
@pytest.mark.filterwarnings("default")
def test_a_search_is_whole_there(server: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    told: list[Any] = []
    folder = search(DOCUMENT, logs=tmp_path, name="whole", tell=told.append).folder
    assert [event.text for event in told if isinstance(event, Warned) and "log of" in event.text] == []
    client = MlflowClient(tracking_uri=server)
    parent, nested = runs_of(server, "whole")
    evaluations = RunFolder(folder).state().evaluations
    assert len(nested) == len(evaluations)
    assert {run.data.params["cell"] for run in nested} == {item.cell for item in evaluations}
    assert {run.info.status for run in [parent, *nested]} == {"FINISHED"}
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
    assert "report.html" in {item.path for item in client.list_artifacts(parent.info.run_id)}
    (version,) = client.search_model_versions("name = 'popnas-whole'")
    assert version.run_id == parent.info.run_id

    import mlflow.onnx

    mlflow.set_tracking_uri(server)
    model = mlflow.onnx.load_model("models:/popnas-whole/1")
    assert model.graph.node


@pytest.mark.slow
@needs_server
@pytest.mark.filterwarnings("default")
def test_a_search_that_goes_on_tells_what_is_lacking_and_nothing_twice(server: str, tmp_path: Path) -> None:
    from popnas.workflows.searching.search import resume

    alone = {**DOCUMENT, "others": {**DOCUMENT["others"], "trackers": []}}
    with pytest.raises(KeyboardInterrupt):  # some networks that no tracker was told of
        search(alone, logs=tmp_path, name="first", tell=interrupting(after=2))
    folder, sets = tmp_path / "first", ['others.trackers=["mlflow"]']
    with pytest.raises(KeyboardInterrupt):
        resume(folder, sets=sets, tell=interrupting(after=1))
    told: list[Any] = []
    resume(folder, sets=sets, tell=told.append)
    assert [event.text for event in told if isinstance(event, Warned) and "log of" in event.text] == []
    evaluations = RunFolder(folder).state().evaluations
    parent, nested = runs_of(server, "first")
    assert len(nested) == len(evaluations) > 3
    assert steps_of(server, parent, "score") == [*range(1, len(evaluations) + 1)]
    for run in nested:
        assert run.info.status == "FINISHED"
        assert steps_of(server, run, "validation/accuracy") == [1, 2]
        assert steps_of(server, run, "score") == [2]


@pytest.mark.slow
@needs_server
@pytest.mark.filterwarnings("default")
def test_what_got_through_in_part_is_completed(server: str, tmp_path: Path, monkeypatch: Any) -> None:
    from mlflow import MlflowClient

    monkeypatch.setattr(_thread, "_FIRST_PAUSE", 0.01)
    failing, whole = {"log_batch", "set_terminated"}, {}
    for name in failing:
        whole[name] = getattr(MlflowClient, name)

        def once_without_an_answer(client: Any, *given: Any, name: str = name, **named: Any) -> None:
            whole[name](client, *given, **named)
            if name in failing:
                failing.remove(name)
                raise UnreachableError("its answer got lost")

        monkeypatch.setattr(MlflowClient, name, once_without_an_answer)
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / EPOCHS_FILE).write_text("loss\n1.0\n0.5\n")
    networks = [
        TrackedNetwork(number, f"B1/{number}", {"cell": str(number)}, {"score": 0.5}, tmp_path / str(number))
        for number in (1, 2)
    ]
    with Trackers(["mlflow"], Scope("run", tmp_path, run="partly", name="partly")) as trackers:
        trackers.networks(networks, lambda item: item)
        trackers.status("completed")
    assert trackers.failures == {} and not failing
    parent, nested = runs_of(server, "partly")
    assert steps_of(server, parent, "score") == [1, 2]
    assert sorted(run.data.params["cell"] for run in nested) == ["1", "2"]
    assert {run.info.status for run in nested} == {"FINISHED"}
    for run in nested:
        assert steps_of(server, run, "loss") == [1, 2] and steps_of(server, run, "score") == [2]


@pytest.mark.slow
@needs_server
@pytest.mark.filterwarnings("default")
def test_a_training_goes_on_in_its_run_and_one_that_begins_anew_has_its_own(
    server: str, tmp_path: Path
) -> None:
    def train(epochs: range, *, is_anew: bool) -> None:
        scope = Scope("training", tmp_path / "final", run="trained", name="trained", is_anew=is_anew)
        with Trackers(["mlflow"], scope) as trackers:
            for step in epochs:
                trackers.metrics({"loss": 1 / step}, step)
        assert trackers.failures == {}

    train(range(1, 4), is_anew=True)
    train(range(1, 6), is_anew=False)
    train(range(1, 3), is_anew=True)
    found = sorted(steps_of(server, run, "loss") for run in runs_of(server, "trained")[1])
    assert found == [[1, 2], [1, 2, 3, 4, 5]]


@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs mlflow")
@pytest.mark.filterwarnings("default")
def test_a_server_that_is_not_there_neither_stops_nor_slows(monkeypatch, tmp_path, caplog) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:geheim@127.0.0.1:{free_port()}")
    trackers = Trackers(["mlflow"], Scope("run", tmp_path, run="r", name="n"))
    began = time.monotonic()
    for step in range(1, 1000):
        trackers.metrics({"score": 0.5}, step)
    assert time.monotonic() - began < 5.0  # a thousandth of that for each
    while "does not get through" not in caplog.text:  # its library is imported first
        time.sleep(0.1)
    trackers.close()
    assert "999 of 999 messages did not get into it" in trackers.failures["mlflow"]
    assert "does not answer: connection refused" in trackers.failures["mlflow"]
    assert "geheim" not in trackers.failures["mlflow"]


@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs mlflow")
@pytest.mark.filterwarnings("default")
def test_a_server_that_hangs_up_is_told_in_few_words(monkeypatch, tmp_path, caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listening.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with Trackers(["mlflow"], Scope("run", tmp_path, run="r", name="n")) as trackers:
            while "does not get through" not in caplog.text:
                time.sleep(0.1)
            trackers.status("completed")
        listening.shutdown(socket.SHUT_RDWR)
    words = r"does not answer: (connection reset by peer|Remote end closed connection without response)"
    assert re.match(rf"{address} {words}; 1 of 1 message", trackers.failures["mlflow"])


def test_it_says_what_it_needs_before_anything_is_done(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    expected = UserError if find_spec("mlflow") else MissingExtraError
    with pytest.raises(expected, match=r"MLFLOW_TRACKING_URI|popnas\[mlflow\]"):
        search(DOCUMENT, logs=tmp_path, name="none")
    assert not (tmp_path / "none").exists()
    assert REGISTRY.get("mlflow").is_remote
