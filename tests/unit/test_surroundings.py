"""No file of the user's folder is run by popnas or its children; nothing is sent or left in his home."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from popnas.executors._process import import_path

# Names that Python's library, NumPy and popnas import; each tells that it was run.
SHADOWS = ("random", "json", "statistics", "datasets", "socket", "torch", "numpy", "click", "tempfile")


@pytest.fixture
def folder(tmp_path):
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'was_run')!r}, 'w')\nraise SystemExit(9)\n"
        )
    return tmp_path


def call(folder, *arguments, **variables):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MPL", "PYTHON"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("list", "operators"), ("config", "schema")])
def test_the_command_runs_no_file_of_the_current_folder(folder, arguments):
    answer = call(folder, "-m", "popnas", *arguments)
    assert answer.returncode == 0, answer.stderr
    assert not (folder / "was_run").exists()


@pytest.fixture
def all_shadows(tmp_path):
    """A folder where every module that popnas may import has a file of its name."""
    for name in (*SHADOWS, *sys.stdlib_module_names, "pydantic", "popnas"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'was_run')!r}, 'w')\nraise SystemExit(9)\n"
        )
    return tmp_path


COMMAND = str(Path(sys.executable).parent / "popnas")


@pytest.mark.parametrize("started", [(COMMAND,), ("-P", "-m", "popnas")])
def test_the_ways_that_the_documentation_calls_safe_run_nothing_whatever_it_is_called(all_shadows, started):
    answer = call(all_shadows, *started, "list", "operators")
    assert answer.returncode == 0, answer.stderr
    assert "conv" in answer.stdout
    assert not (all_shadows / "was_run").exists()


SMALLEST = {
    "search_space": {"blocks": 1, "operators": ["identity"], "lookback_depth": 1},
    "architecture_hyperparameters": {"filters": 2, "motifs": 1, "normal_cells_per_motif": 1},
    "training_hyperparameters": {"epochs": 1},
    "dataset": {"type": "image_classification", "name": "digits", "samples": 60, "validation_size": 0.25},
    "others": {"executor": {"kind": "processes", "workers": 1}, "train_strategy": "CPU", "confirm": False},
}


def test_workers_of_the_command_run_nothing_either(all_shadows):
    (all_shadows / "c.json").write_text(json.dumps(SMALLEST))
    answer = call(all_shadows, COMMAND, "search", "-j", "c.json")
    assert answer.returncode == 0, answer.stderr
    assert not (all_shadows / "was_run").exists()


STAGE = """
from pathlib import Path
from popnas.workflows.whole.stage_processes import run_stage
from popnas.workflows.whole.stages import Stage
print(run_stage(["list", "operators"], Stage("list", Path(), None, (), lambda: None)))
"""


def test_stages_of_a_whole_job_run_nothing_either(all_shadows):
    answer = call(all_shadows, "-P", "-c", STAGE)
    assert answer.stdout.split() == ["0"], answer.stderr
    assert not (all_shadows / "was_run").exists()


# A program of the user's own, which starts a worker that needs a module of his and Python's `random`.
DRIVER = """
from popnas.executors import Work, Worker
from popnas.executors._orders import Order
from popnas.executors._process import WorkerProcess
worker = WorkerProcess(Order(Work("own_part:setup", "own_part:setup"), Worker(), 1), [], None)
print(*worker.channel.receive())
worker.end()
"""


def test_a_worker_finds_the_users_own_module_but_no_shadow(folder):
    (folder / "own_part.py").write_text("import statistics\nstatistics.mean\ndef setup(*told): return {}\n")
    for name in SHADOWS:  # the program itself imports the others
        if name != "statistics":
            (folder / f"{name}.py").unlink()
    (folder / "script.py").write_text(DRIVER)
    answer = call(folder, "script.py")
    assert answer.stdout.split() == ["ready"], answer.stderr
    assert not (folder / "was_run").exists()


def test_the_users_folder_stands_last_in_a_workers_path(monkeypatch):
    others = [item for item in sys.path if item]
    monkeypatch.setattr(sys, "path", ["", *others])
    assert import_path() == [*others, ""]
    monkeypatch.setattr(sys, "path", ["/home/me/project", *others])
    assert import_path() == [*others, "/home/me/project"]


def test_telemetry_is_off_before_anything_is_imported_unless_the_user_wants_it(tmp_path):
    names = "ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"
    show = f"import os, popnas; print(*(os.environ[name] for name in {names}))"
    assert call(tmp_path, "-c", show).stdout.split() == ["1", "1"]
    assert call(tmp_path, "-c", show, ORT_DISABLE_TELEMETRY="0").stdout.split() == ["0", "1"]


DRAW = "import sys; from popnas.cli.main import run; print(run(sys.argv[1:]))"


def test_nothing_is_left_in_the_home(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "temporary").mkdir()
    asked = ("draw", "--spec", "[(-1, identity, -1, 3x3 conv)]", "-o", "cell.pdf")
    answer = call(
        tmp_path, "-c", DRAW, *asked, HOME=str(tmp_path / "home"), TMPDIR=str(tmp_path / "temporary")
    )
    assert answer.stdout.strip().endswith("0"), answer.stderr
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.parametrize("place", ["/nonexistent", "link"])
def test_without_a_safe_place_for_temporary_files_matplotlib_is_left_alone(tmp_path, monkeypatch, place):
    from popnas.cli.terminal.surroundings import keep_out_of_home

    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    if place == "link":
        (tmp_path / f"popnas-{os.getuid()}").symlink_to(Path.home())
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path) if place == "link" else place)
    keep_out_of_home()
    assert "MPLCONFIGDIR" not in os.environ
