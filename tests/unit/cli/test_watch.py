"""`popnas watch`: runs that are finished, interrupted and under way; a terminal that Ctrl-C leaves clean."""

from __future__ import annotations

import importlib.util
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from popnas.cli.looking import watch
from popnas.cli.main import run as popnas
from popnas.runs import RunFolder


def made(place: Path, **options: Any) -> RunFolder:
    path = Path(__file__).parents[1] / "report" / "synthetic_run.py"
    spec = importlib.util.spec_from_file_location("synthetic_run", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder: RunFolder = module.SyntheticRun(place, **options).folder
    return folder


def progress(folder: RunFolder, **changes: Any) -> None:
    note = {"format": 1, "stage": "search", "state": "running", "pid": 1, "started": "", "phase": "step 2"}
    left = {"step": 30.0, "search": None}
    at = {"3": {"epoch": 2, "num_epochs": 5}}
    note = {**note, "done": 4, "total": 8, "networks": at, "seconds_left": left, **changes}
    folder.progress_json.write_text(json.dumps(note))


def test_a_finished_run(tmp_path, capsys):
    folder = made(tmp_path / "run")
    assert popnas(["watch", str(folder.path)]) == 0
    out = capsys.readouterr().out
    assert f"{folder.path}: finished, " in out and "best 0." in out and "Go on" not in out


def test_an_interrupted_run_tells_how_it_goes_on(tmp_path, capsys):
    folder = made(tmp_path / "run", last_step=1)
    progress(folder)  # a process that was killed left it
    assert popnas(["watch", str(folder.path)]) == 0
    out = capsys.readouterr().out
    assert ": stopped, " in out and f"Go on with: popnas search -r {folder.path}" in out
    assert popnas(["watch", str(folder.path), "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["is_running"] is False and seen["networks"] == {} and seen["seconds_left"] == {}


def test_a_running_one_line_by_line_until_it_ends(tmp_path, capfd, monkeypatch):
    folder = made(tmp_path / "run", last_step=1)
    progress(folder)
    monkeypatch.setattr(watch, "_POLL_SECONDS", 0.02)
    lock = folder.lock()
    lock.acquire()

    def go_on() -> None:
        progress(folder, phase="step 3", done=0, networks={})
        again.wait(20)
        lock.release()

    again = threading.Event()
    real = watch._notes

    def notes(seen):
        if seen.phase == "step 3":
            again.set()
        elif not thread.is_alive():
            thread.start()
        return real(seen)

    thread = threading.Thread(target=go_on)
    monkeypatch.setattr(watch, "_notes", notes)
    assert popnas(["watch", str(folder.path)]) == 0
    thread.join()
    out, lines = capfd.readouterr()
    num = len(folder.state().evaluations)
    first, second = lines.splitlines()
    assert first.startswith("step 2 4/8, best 0.")
    assert first.endswith(f"{num} networks, 3: epoch 2/5, this step: about 30 s left")
    assert second.startswith("step 3 0/8, best 0.")
    assert ": stopped, " in out
    # Looking takes and leaves nothing.
    with folder.lock():
        pass


def test_ctrl_c_ends_the_watching_alone(tmp_path, capfd, monkeypatch):
    folder = made(tmp_path / "run", last_step=1)
    progress(folder)

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", stop)
    with folder.lock():
        assert popnas(["watch", str(folder.path)]) == 130
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("place", ["none", "."])
def test_no_run_there(tmp_path, capsys, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    assert popnas(["watch", place]) == 2
    assert "Error: " in capsys.readouterr().err
