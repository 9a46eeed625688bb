"""What follows a search, through the command line: killed in any stage and resumed, it ends in equal
files."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from popnas.storage import PROOF

PARTIAL: dict[str, Any] = {
    "training_hyperparameters": {
        "epochs": 30,
        "drop_path": 0.2,
        "label_smoothing": 0.1,
        "softmax_dropout": 0.1,
        "optimizer": {"type": "adamW", "scheduler": "cd"},
    },
    "dataset": {"data_augmentation": {"enabled": True}},
}
MODEL_FILES = ("weights.safetensors", "model.onnx", "model.json")
DEPLOYED = ("weights.safetensors", "model.onnx")


@pytest.fixture
def partial(popnas) -> Path:
    path = popnas.folder / "partial.json"
    path.write_text(json.dumps(PARTIAL))
    return path


def epochs_of(folder: Path) -> int:
    """Epochs that the training in a model's folder has behind it."""
    try:
        return len(json.loads((folder / "training.json").read_bytes())["epochs"])
    except FileNotFoundError:
        return 0


def kill_when(process, is_time: Callable[[], bool], how: int = signal.SIGKILL) -> None:
    """Send a signal at the first moment at which `is_time`; fails if the process ends before."""
    for _ in range(20_000):
        if is_time():
            process.send_signal(how)
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    raise AssertionError("the moment never came")


def contents(folder: Path, names=MODEL_FILES) -> dict[str, object]:
    """Files as they are; of a description all but which run it is of, and the proof of that."""
    found: dict[str, object] = {name: (folder / name).read_bytes() for name in names}
    if "model.json" in found:
        described = json.loads((folder / "model.json").read_text())
        found["model.json"] = {
            name: value for name, value in described.items() if name not in ("run", "sha256")
        }
    return found


@pytest.mark.parametrize(
    ("kind", "folds"), [pytest.param("inline", 1, marks=pytest.mark.slow), ("processes", 2)]
)
def test_a_selection_killed_in_a_training_ends_in_equal_files(popnas, copied, partial, kind, folds):
    arguments = ["-j", partial, "-k", 2, "--set", f'others.executor={{"kind": "{kind}"}}']
    arguments += ["--set", f"dataset.folds={folds}", "--set", "training_hyperparameters.epochs=8"]
    calm, killed = copied("calm"), copied("killed")
    popnas.run("select", "-p", calm, *arguments)
    folders = sorted(path.name for path in (calm / "model_selection").glob("*-m*"))
    assert len(folders) == 2

    process = popnas.start("select", "-p", killed, *arguments)
    last = "" if folds == 1 else f"{folders[0]}-fold1-seed0"
    kill_when(process, lambda: epochs_of(killed / "model_selection" / folders[0] / last) >= 2)
    process.communicate(timeout=30)
    popnas.run("select", "-p", killed, *arguments)

    for name in folders:
        paths = [run / "model_selection" / name for run in (calm, killed)]
        files = (*MODEL_FILES, "untrained.onnx", "confusion_matrix.csv")
        assert contents(paths[0], files) == contents(paths[1], files), name
        assert not (paths[1] / "checkpoint.pt").exists()
        again = [sorted(path.rglob("*-fold*/weights.safetensors")) for path in paths]
        assert len(again[0]) == folds - 1
        assert [path.read_bytes() for path in again[0]] == [path.read_bytes() for path in again[1]]
    tables = [(run / "model_selection" / "training_results.csv").read_bytes() for run in (calm, killed)]
    assert tables[0] == tables[1]


def test_a_final_training_killed_and_resumed_ends_in_equal_files(popnas, copied, partial):
    calm, killed = copied("calm"), copied("killed")
    popnas.run("train", "-p", calm, "-j", partial)
    model = killed / "final_training"
    for epoch in (1, 12):
        process = popnas.start("train", "-p", killed, "-j", partial)
        kill_when(process, lambda epoch=epoch: epochs_of(model) >= epoch)
        process.communicate(timeout=30)
    process = popnas.start("train", "-p", killed, "-j", partial)
    kill_when(process, lambda: (model / "deploy").exists())  # while it deploys
    process.communicate(timeout=30)
    output = popnas.run("train", "-p", killed, "-j", partial, "--json")

    assert json.loads(output)["num_epochs"] == 30
    assert contents(calm / "final_training") == contents(model)
    assert contents(calm / "final_training" / "deploy", DEPLOYED) == contents(model / "deploy", DEPLOYED)
    deployed = [json.loads((run / "final_training/deploy/model.json").read_text()) for run in (calm, killed)]
    for content in deployed:
        content["int8"].pop("times")
        content.pop(PROOF)  # of the times, too
    assert deployed[0] == deployed[1]


@pytest.mark.slow
def test_an_ensemble_killed_in_its_members_ends_in_equal_files(popnas, copied, partial):
    calm, killed = copied("calm"), copied("killed")
    arguments = ["-j", partial, "--ensemble", 2]
    popnas.run("train", "-p", calm, *arguments)
    model = killed / "final_training"
    for is_time in (
        lambda: epochs_of(model / "member-1") >= 2,
        lambda: epochs_of(model / "member-2") >= 7,
        lambda: (model / "deploy").exists(),
    ):
        process = popnas.start("train", "-p", killed, *arguments)
        kill_when(process, is_time)
        process.communicate(timeout=30)
    popnas.run("train", "-p", killed, *arguments)
    for name in ("", "member-1", "member-2"):
        assert contents(calm / "final_training" / name) == contents(model / name), name
    assert contents(calm / "final_training" / "deploy", DEPLOYED) == contents(model / "deploy", DEPLOYED)
    members = [(model / name / "weights.safetensors").read_bytes() for name in ("member-1", "member-2")]
    assert members[0] != members[1]


@pytest.mark.parametrize("command", ["select", "train"])
def test_ctrl_c_is_exit_130_and_the_same_command_goes_on(popnas, copied, partial, command):
    run = copied("run")
    folder = {"select": run / "model_selection" / "0-m2-n1-f4", "train": run / "final_training"}[command]
    arguments = [command, "-p", run, "-j", partial, *(["-k", 1] if command == "select" else [])]
    process = popnas.start(*arguments)
    kill_when(process, lambda: epochs_of(folder) >= 1, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "same command" in errors
    assert "Traceback" not in errors
    popnas.run(*arguments)


def test_a_worker_that_dies_is_replaced_and_its_model_goes_on(popnas, copied, partial):
    run = copied("run")
    executor = '{"kind": "processes", "workers": 1}'
    process = popnas.start(
        "select", "-p", run, "-j", partial, "-k", 1, "--set", f"others.executor={executor}", "--json"
    )
    folder = run / "model_selection" / "0-m2-n1-f4"
    for _ in range(20_000):
        if epochs_of(folder) >= 2:
            break
        time.sleep(0.005)
    for child in children_of(process.pid):
        os.kill(child, signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert json.loads(output)["best"]["error"] is None
    assert epochs_of(folder) == 30


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["select", "-p", "logs/nowhere"], "does not exist"),
        (["select", "-p", "logs/run", "--params", "3;1"], "reversed"),
        (["select", "-p", "logs/run", "--spec", "[(-1, lstm, -1, identity)]"], "lstm"),
        (["select", "-p", "logs/run", "--spec", "[]", "-k", "3"], "leave out -k"),
        (["train", "-p", "logs/run", "--spec", "[(-1, 3x3 conv"], "--spec"),
        (["train", "-p", "logs/run", "-j", "model_selection"], "model_selection_training"),
        (["train", "-p", "logs/run", "--name", "deploy"], "--name"),
        (["e2e", "-r", "logs/run", "-k", "2"], "leave out"),
        (["e2e", "-r", "logs/run"], "was not started by"),
    ],
)
def test_mistakes_are_exit_2_without_a_traceback(popnas, copied, arguments, expected):
    run = copied("run")
    popnas.run(*arguments, status=2)
    assert expected in popnas.errors
    assert "Traceback" not in popnas.errors
    assert not (run / "model_selection").exists()
    assert not (run / "final_training").exists()


def test_the_whole_job_interrupted_says_how_to_go_on_and_leaves_no_process(popnas, partial):
    config = popnas.write_config()
    process = popnas.start("e2e", "-j", config, "-jms", partial, "-jlt", partial, "--name", "job")
    journal = popnas.folder / "logs" / "job" / "restore" / "journal.jsonl"
    kill_when(process, lambda: journal.exists() and '"evaluation"' in journal.read_text(), signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "popnas e2e -r" in errors
    popnas.run("search", "-r", "logs/job")  # the lock is free


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_job_killed_in_every_stage_ends_in_equal_files(popnas, partial):
    config = popnas.write_config()
    options = ["-j", config, "-jms", partial, "-jlt", partial, "-k", 2]
    popnas.run("e2e", *options, "--name", "calm")
    assert popnas.errors.count("Run folder:") == 1
    calm, run = (popnas.folder / "logs" / name for name in ("calm", "killed"))
    journal = run / "restore" / "journal.jsonl"
    selected = run / "model_selection"
    moments: list[Callable[[], bool]] = [
        lambda: journal.exists() and journal.read_text().count('"event":"evaluation"') >= 4,
        lambda: any(epochs_of(path) >= 3 for path in selected.glob("1-m*")),
        lambda: epochs_of(run / "final_training") >= 3,
        lambda: (run / "final_training" / "deploy" / "model.onnx").exists(),
    ]
    process = popnas.start("e2e", *options, "--name", "killed")
    for moment in moments:
        kill_when(process, moment)
        process.communicate(timeout=30)
        process = popnas.start("e2e", "-r", run)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors

    for folder in [path.relative_to(calm) for path in (calm / "model_selection").glob("*-m*")]:
        assert contents(calm / folder) == contents(run / folder), folder
    assert contents(calm / "final_training") == contents(run / "final_training")
    deployed = [path / "final_training" / "deploy" for path in (calm, run)]
    assert contents(deployed[0], DEPLOYED) == contents(deployed[1], DEPLOYED)
    assert json.loads((run / "e2e.json").read_text())["finished"].keys() == {
        "search", "selection", "training", "evaluation",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_whole_job_keeps_its_time_limit_and_says_what_was_cut(popnas, partial):
    document = json.loads(partial.read_text())
    document["training_hyperparameters"]["epochs"] = 5000
    partial.write_text(json.dumps(document))
    config = popnas.write_config(**{"others.timing": "measured", "others.max_hours": 150 / 3600})
    began = time.monotonic()
    output = popnas.run("e2e", "-j", config, "-jms", partial, "-jlt", partial, "-k", 2, "--json")
    seconds = time.monotonic() - began
    result = json.loads(output)
    assert any("model selection: 5000 ->" in cut for cut in result["cuts"])
    assert any("final training: 5000 ->" in cut for cut in result["cuts"])
    assert seconds < 150 * 1.05
