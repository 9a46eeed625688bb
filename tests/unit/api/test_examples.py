"""The examples run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


def run(name, tmp_path):
    """What an example prints; temporary files go to the test's folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_quickstart(tmp_path):
    output = run("quickstart.py", tmp_path)
    assert float(re.search(r"test accuracy (\S+)", output)[1]) > 0.85
    assert float(re.search(r"^accuracy (\S+) with", output, re.MULTILINE)[1]) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_cross_validation_on_basic_motions(tmp_path):
    pytest.importorskip("aeon")
    output = run("basic_motions.py", tmp_path)
    assert output.count("fold ") == 5
    assert float(re.search(r"^accuracy (\S+) \+-", output, re.MULTILINE)[1]) > 0.85
