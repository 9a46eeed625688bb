"""Whole searches through the command line: files, resume, equal content, limits and failures."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from popnas import networks, tasks
from popnas.cells import Cell
from popnas.evaluators.training.candidate_files import load_weights
from popnas.export import DeployedNetwork
from popnas.workflows.settings import load_config


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_search_leaves_a_complete_run_folder(popnas):
    config = popnas.write_config(**{"search_strategy.additional_pareto_objectives": ["time", "params"]})
    output = popnas.run("search", "-j", config, "--name", "run", "--json", draws=True)

    run = popnas.folder / "logs" / "run"
    result = json.loads(output)
    assert result["reason"] == "completed"
    trained = _rows(run / "csv" / "training_results.csv")
    # The empty cell, ten single blocks, at most three of the front (no exploration in the last step).
    assert 12 <= len(trained) == result["num_evaluated"] <= 14
    best = max(
        (row for row in trained if row["# blocks"] != "0"), key=lambda row: float(row["best val accuracy"])
    )
    assert float(best["best val accuracy"]) == pytest.approx(result["best"]["score"])
    expected = [
        "report.html",
        "restore/run.json",
        "restore/journal.jsonl",
        "restore/predictions_B2.npz",
        "csv/predictions_B2.csv",
        "csv/pareto_front_B2.csv",
        "csv/training_time.csv",
        "csv/training_score.csv",
        "csv/reindex_op_times.csv",
        "csv/training_overview.csv",
        "predictors/B2.json",
        "sampled_models/B1/0/epochs.csv",
        "sampled_models/B1/0/summary.txt",
        "sampled_models/B1/0/partitions.txt",
        "best_model/model.onnx",
        "best_model/weights.safetensors",
        "best_model/model.json",
    ]
    assert [name for name in expected if not (run / name).is_file()] == []
    assert list((run / "plots").glob("*.png"))


def test_the_exported_model_predicts_as_the_saved_weights_do(searched_run):
    best = searched_run / "best_model"
    config = load_config(searched_run / "restore" / "run.json")
    task = tasks.get(config.dataset.type)
    dataset = task.load(config, need_test=True)
    cell = Cell.parse(json.loads((best / "model.json").read_text())["cell"])
    network = networks.build(cell, task.network_spec(config, dataset))
    network.load_state_dict(load_weights(best / "weights.safetensors"))
    x_BCHW = np.ascontiguousarray(dataset.test.x.transpose(0, 3, 1, 2)).astype(np.float32)
    with torch.no_grad():
        expected = DeployedNetwork(network, dataset.preprocessing)(torch.from_numpy(x_BCHW)).numpy()
    session = onnxruntime.InferenceSession(best / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"input": x_BCHW})[0]

    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_finished_run_can_be_resumed_and_trains_nothing(popnas, copied):
    copied("run")
    journal = popnas.folder / "logs" / "run" / "restore" / "journal.jsonl"
    before = journal.read_text().count('"event":"evaluation"')
    report = popnas.folder / "logs" / "run" / "report.html"
    report.unlink()
    model = popnas.folder / "logs" / "run" / "best_model"
    weights = (model / "weights.safetensors").read_bytes()
    shutil.rmtree(model)  # what is missing of a finished run is made again, too

    assert "This search was finished already" in popnas.run("search", "-r", "logs/run")

    assert journal.read_text().count('"event":"evaluation"') == before
    assert report.is_file()
    assert (model / "model.json").is_file() and (model / "model.onnx").is_file()
    assert (model / "weights.safetensors").read_bytes() == weights


def test_a_run_folder_that_exists_is_not_touched(popnas):
    config = popnas.write_config()
    (popnas.folder / "logs" / "run").mkdir(parents=True)
    (popnas.folder / "logs" / "run" / "mine.txt").write_text("mine")

    popnas.run("search", "-j", config, "--name", "run", status=2)

    assert "exists already" in popnas.errors
    assert [path.name for path in (popnas.folder / "logs" / "run").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"search_space.operators": ["identity", "3x3 conf"]}, "search_space.operators[1]"),
        ({"dataset.name": "digit"}, "digits"),
        ({"search_space.operators": ["identity", "lstm"]}, "search_space.operators[1]"),
        ({"others.train_strategy": "TPU"}, "This machine has: CPU"),
    ],
)
def test_a_mistake_is_exit_2_and_makes_no_run_folder(popnas, changes, expected):
    config = popnas.write_config(**changes)
    popnas.run("search", "-j", config, status=2)
    assert expected in popnas.errors
    assert "Traceback" not in popnas.errors
    assert not (popnas.folder / "logs").exists()


def test_only_where_and_how_long_may_change_on_resume(popnas, copied):
    copied("run")
    popnas.run("search", "-r", "logs/run", "--set", "search_space.blocks=3", status=2)
    assert "others.executor" in popnas.errors
    popnas.run("search", "-r", "logs/run", "--set", "others.executor.workers=1")


def test_every_single_block_cell_failing_is_told_with_the_reason(popnas):
    config = popnas.write_config(**{"others.max_candidate_seconds": 1e-9})
    popnas.run("search", "-j", config, "--name", "run", status=1)
    assert "single-block cells failed" in popnas.errors
    assert "time_limit" in popnas.errors
    assert "raise others.max_candidate_seconds" in popnas.errors
    assert "learning_rate" not in popnas.errors
    assert "Traceback" not in popnas.errors


def test_the_time_limit_ends_in_order_and_can_be_resumed(popnas):
    config = popnas.write_config(**{"others.max_hours": 1e-9})
    output = popnas.run("search", "-j", config, "--name", "run")
    assert "popnas search -r" in output
    output = popnas.run("search", "-r", "logs/run", "--set", "others.max_hours=1", "--json")
    assert json.loads(output)["reason"] == "completed"


def test_content_is_equal_with_workers_and_without(popnas, searched_run):
    config = popnas.write_config(**{"others.executor": {"kind": "processes", "workers": 2}})
    popnas.run("search", "-j", config, "--name", "workers")
    contents = [popnas.run("journal", run, "--content") for run in (searched_run, "logs/workers")]
    assert contents[0] == contents[1]
    assert len(contents[0].splitlines()) > 15


def test_ctrl_c_is_exit_130_and_says_how_to_go_on(popnas):
    config = popnas.write_config(**{"others.executor": {"kind": "processes", "workers": 1}})
    process = popnas.start("search", "-j", config, "--name", "run")
    _wait_for_evaluations(popnas.folder / "logs" / "run", 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "popnas search -r" in errors
    assert "Traceback" not in errors
    popnas.run("search", "-r", "logs/run")


def test_kill_9_at_any_instant_loses_nothing(popnas, searched_run):
    _kill_and_resume(popnas, searched_run, num_kills=2, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kill_9_at_twenty_instants_loses_nothing(popnas, searched_run):
    _kill_and_resume(popnas, searched_run, num_kills=20, seed=1)


def _kill_and_resume(popnas, searched_run, num_kills, seed):
    """A run that is killed and resumed again and again has the content of one that nobody disturbed."""
    calm = popnas.run("journal", searched_run, "--content")
    config = popnas.write_config(**{"others.executor": {"kind": "processes", "workers": 2}})
    run, rng = popnas.folder / "logs" / "killed", random.Random(seed)
    journal = run / "restore" / "journal.jsonl"
    process = popnas.start("search", "-j", config, "--name", "killed")
    for number in range(num_kills):
        # Spread over the whole run, each at some instant after an event.
        least = 1 + int(calm.count("\n") * (number + rng.random()) / num_kills)
        _wait_for_lines(process, journal, least)
        time.sleep(0.2 * rng.random())
        process.kill()
        process.communicate(timeout=30)
        process = popnas.start("search", "-r", run)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert popnas.run("journal", run, "--content") == calm
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    trained = [event["content"]["cell"] for event in events if event["event"] == "evaluation"]
    assert len(trained) == len(set(trained)), "a finished candidate was trained twice"


def _wait_for_lines(process, journal, least):
    """Until the journal has so many lines, or the run is over."""
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.read_bytes().count(b"\n") >= least:
            return
        time.sleep(0.01)
    assert process.returncode == 0, process.communicate()[1]


def test_kill_9_while_the_best_model_is_written_is_told_and_healed(popnas):
    config = popnas.write_config()
    process = popnas.start("search", "-j", config, "--name", "run")
    run = popnas.folder / "logs" / "run"
    weights, done = run / "best_model" / "weights.safetensors", run / "best_model" / "model.json"
    while not weights.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.kill()  # its export takes a second, and what says that it is whole is written last
    process.communicate(timeout=30)
    assert not done.exists()
    popnas.run("evaluate", "-p", run, status=2)
    assert "the search has not ended" in popnas.errors
    assert f"search -r {run}" in popnas.errors.replace("\n", " ")
    popnas.run("search", "-r", run)
    assert done.exists()
    assert not list((run / "best_model").glob(".popnas-*"))


def _wait_for_evaluations(run: Path, count: int) -> None:
    journal = run / "restore" / "journal.jsonl"
    for _ in range(600):
        if journal.exists() and journal.read_text().count('"event":"evaluation"') >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {count} evaluations in {journal} within a minute")


def test_constraints_that_nothing_meets_leave_no_best_cell(popnas):
    config = popnas.write_config(**{"search_strategy.constraints": {"params": [1, 10]}})
    output = popnas.run("search", "-j", config, "--name", "none", status=1)
    assert "Best cell" not in output
    assert "constraints: params from 1 to 10 (they have" in popnas.errors
    assert not (popnas.folder / "logs/none/best_model").exists()
    popnas.run("pick", "logs/none", status=1)
    assert "constraints: params from 1 to 10 (they have" in popnas.errors
    popnas.run("select", "-p", "logs/none", "-k", "1", status=1)
    assert "There is no best cell" in popnas.errors
