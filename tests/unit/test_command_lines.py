"""Commands in messages can be typed where they are read."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from popnas.command_lines import as_typed


@pytest.fixture
def started(monkeypatch, tmp_path):
    """A `popnas` in an environment that is not activated, as which this process was started."""
    started = tmp_path / "an environment" / "bin" / "popnas"
    started.parent.mkdir(parents=True)
    started.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    started.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(started)])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return started


def test_the_path_stands_where_the_name_is_not_found_or_means_another(started, monkeypatch, tmp_path):
    assert as_typed("search", "-r", "logs/popnas") == f"'{started}' search -r logs/popnas"
    monkeypatch.setenv("PATH", str(started.parent))
    assert as_typed("search", "-r", "logs/popnas") == "popnas search -r logs/popnas"
    other = tmp_path / "popnas"
    shutil.copy(started, other)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert as_typed("list") == f"'{started}' list"


def test_what_is_typed_means_the_same_in_a_shell(started):
    arguments = ["train", "-p", "my run's", "--spec", '[(-1, 3x3 conv, -1, "$HOME")]']
    done = subprocess.run(as_typed(*arguments), shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.split("|")[:-1] == arguments


def test_where_python_runs_popnas_python_is_typed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    line = "import sys; from popnas.command_lines import as_typed; print(as_typed('list', 'tasks'))"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert shlex.split(done.stdout) == [sys.executable, "-m", "popnas", "list", "tasks"]
    assert os.access(shlex.split(done.stdout)[0], os.X_OK)
